"""What to write into a profile so that a file that was refused enters nevertheless."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.utils import NormalizedName

from bundler.model.publisher import KEY, Publisher


def excuse(projects: Iterable[NormalizedName]) -> str:
    """The lines for a profile that let projects in without attestations."""
    names = ", ".join(f'"{project}"' for project in projects)
    return f"[attestations]\navailable = [{names}]"


def publisher_table(publisher: Publisher, *projects: NormalizedName) -> str:
    """The table for a profile that lets files of this publisher in."""
    if publisher.kind == KEY:
        return f"[[publisher]] with the key {publisher.words[0][1]}"
    names = ", ".join(f'"{project}"' for project in projects)
    lines = [f"projects = [{names}]", f'kind = "{publisher.kind}"']
    lines += [f'{name} = "{_escape(word)}"' for name, word in publisher.words]
    return "\n".join(["[[publisher]]", *lines])


def _escape(word: str) -> str:
    """As a basic string of TOML."""
    text = word.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)
