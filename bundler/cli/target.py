"""`bundle target`: which Pythons and platforms there are, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.options import AsJson, Quiet
from bundler.cli.results import Said
from bundler.model.canonical import Json
from bundler.model.platforms import FORMS, NAMES, OLDEST_GLIBC
from bundler.model.pythons import FORMS as PYTHON_FORMS
from bundler.model.target import Target, parse_target, parse_target_name

if TYPE_CHECKING:
    from bundler.model.profile import Profile

app = typer.Typer(help="Pythons and platforms to bundle for.", no_args_is_help=True)

_FIRST_AND_LAST = 4

FromProfile = Annotated[
    Path | None, typer.Option("--profile", metavar="PROFILE", help="Take a profile's targets.")
]


@dataclass(frozen=True, slots=True)
class WordsResult:
    """Every word that a profile may name a Python or platform with."""

    def to_json(self) -> Json:
        """The words, and the forms of those with versions in them."""
        return {
            "pythons": [{"form": form, "meaning": said} for form, said in PYTHON_FORMS.items()],
            "platforms": [
                *(
                    {"name": name, "tag": word.tag, "meaning": word.meaning}
                    for name, word in NAMES.items()
                ),
                *({"form": form, "meaning": said} for form, said in FORMS.items()),
            ],
            "machines": list(OLDEST_GLIBC),
        }

    def to_text(self) -> str:
        """Three tables."""
        names = [(name, word.meaning) for name, word in NAMES.items()]
        return "\n".join(
            (
                "Pythons",
                *_columns(PYTHON_FORMS.items()),
                "Platforms",
                *_columns([*names, *FORMS.items()]),
                f"MACHINE is one of {', '.join(OLDEST_GLIBC)}",
            )
        )


@dataclass(frozen=True, slots=True)
class TargetsResult:
    """The targets of a profile."""

    profile: Profile

    def to_json(self) -> Json:
        """Each with what the profile says of it."""
        optional = self.profile.optional_targets
        return {
            "targets": [
                {
                    "name": target.name,
                    "python": target.python.name,
                    "platform": target.platform.name,
                    "markers": dict(target.markers),
                    "may-be-missing": target.name in optional,
                }
                for target in self.profile.parsed_targets()
            ]
        }

    def to_text(self) -> str:
        """A line for each."""
        optional = self.profile.optional_targets
        rows = []
        for target in self.profile.parsed_targets():
            notes = [f"{marker} = {value!r}" for marker, value in target.markers]
            if target.name in optional:
                notes.append("may be missing")
            rows.append((target.name, target.python.name, target.platform.name, ", ".join(notes)))
        return "\n".join(_columns(rows, indent=""))


@dataclass(frozen=True, slots=True)
class ShownResult:
    """What installers see on targets: markers and tags."""

    targets: Sequence[Target]
    whole: bool

    def to_json(self) -> Json:
        """Everything, all tags too."""
        return {
            "targets": [
                {
                    "name": target.name,
                    "python": target.python.name,
                    "platform": target.platform.name,
                    "environment": target.environment,
                    "tags": [str(tag) for tag in target.tags],
                }
                for target in self.targets
            ]
        }

    def to_text(self) -> str:
        """The tags short, unless all are wanted."""
        return "\n\n".join("\n".join(self._lines(target)) for target in self.targets)

    def _lines(self, target: Target) -> Iterator[str]:
        yield target.name
        yield from _columns((name, repr(value)) for name, value in target.environment.items())
        yield f"  {len(target.tags)} tags, the most preferred first:"
        tags = [str(tag) for tag in target.tags]
        if not self.whole and len(tags) > 2 * _FIRST_AND_LAST:
            hidden = len(tags) - 2 * _FIRST_AND_LAST
            tags[_FIRST_AND_LAST:-_FIRST_AND_LAST] = [f"… {hidden} more; --all shows them"]
        yield from (f"    {tag}" for tag in tags)


@app.command(name="list")
def list_targets(
    *, profile: FromProfile = None, as_json: AsJson = False, quiet: Quiet = False
) -> None:
    """List every word for a Python or platform, or the targets of a profile."""
    with console(as_json=as_json, quiet=quiet) as out:
        out.result(WordsResult() if profile is None else TargetsResult(_read(profile)))


@app.command()
def show(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME | PYTHON PLATFORM…",
            help="Names of targets, such as cp312-linux; or words: a Python and platforms.",
        ),
    ],
    *,
    profile: FromProfile = None,
    whole: Annotated[bool, typer.Option("--all", help="Show all tags.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show the markers and tags of a target, as installers there see them."""
    with console(as_json=as_json, quiet=quiet) as out:
        try:
            targets = _named(words, None if profile is None else _read(profile))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        out.result(ShownResult(targets, whole))


@app.command()
def detect(*, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Print a script that detects the target which it is run on.

    Write it to a file, carry that to the far machine, and run it with the Python that packages are
    meant for; it needs nothing but Python. It prints the lines for the profile.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        script = (files("bundler.cli") / "detect_target.py").read_text(encoding="utf-8")
        out.say("run it on the far machine: python3 SCRIPT")
        out.result(Said(script.removesuffix("\n"), {"script": script}))


def _read(path: Path) -> Profile:
    from bundler.model.profile import parse_profile

    return parse_profile(path.read_bytes(), str(path))


def _named(words: Sequence[str], profile: Profile | None) -> list[Target]:
    """The targets that the words of `show` mean.

    Raises:
        ValueError: if one means none.
    """
    if profile is not None:
        known = {target.name: target for target in profile.parsed_targets()}
        for word in words:
            if word not in known:
                raise ValueError(f"the profile has no target {word!r}; it has {', '.join(known)}")
        return [known[word] for word in words]
    first, *rest = words
    if rest and "-" not in first:
        return [parse_target(first, platform) for platform in rest]
    return [parse_target_name(word) for word in words]


def _columns(rows: Iterable[Sequence[str]], indent: str = "  ") -> Iterator[str]:
    """The cells of each row below those of the row above."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield (indent + "  ".join(padded)).rstrip()
