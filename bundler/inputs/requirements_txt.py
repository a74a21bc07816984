"""Requirements and constraints files: pip's format, as far as an index can meet what they ask for.

What cannot be honoured is a fault, never skipped: a plan without it would miss something inside.
"""

from __future__ import annotations

import getopt
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from bundler.inputs.gathered import Gathered, Source
from bundler.inputs.lines import decode, logical_lines
from bundler.model.artifact import Sha256, parse_sha256
from bundler.model.asked import AskedRequirement, parse_constraint, parse_requirement

Role: TypeAlias = Literal["requirement", "constraint"]

_OPTION = re.compile(r"(?:^|\s)-")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_SCHEME = re.compile(r"(?:https?|file):", re.IGNORECASE)

_SHORT: Final = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
    "-C": "--config-settings",
}
_SWITCHES: Final = frozenset(
    {"--no-index", "--prefer-binary", "--pre", "--require-hashes", "--no-require-hashes"}
)
_VALUED: Final = frozenset(
    {
        *_SHORT.values(),
        "--pypi-url",
        "--extra-index-url",
        "--no-binary",
        "--only-binary",
        "--trusted-host",
        "--all-releases",
        "--only-final",
        "--use-feature",
        "--hash",
    }
)
_LONG: Final = (*(f"{name[2:]}=" for name in _VALUED), *(name[2:] for name in _SWITCHES))

# Only wheels are taken anyway, and which of pip's own ways it takes is pip's affair.
_HARMLESS: Final = frozenset(
    {
        "--only-binary",
        "--prefer-binary",
        "--use-feature",
        "--config-settings",
        "--no-require-hashes",
    }
)
_INDEX: Final = "name the index in an [[index]] of the profile instead"
_PRE: Final = (
    "a specifier that names a pre-release, such as >=2.0rc1, lets them in; write that instead"
)
_REFUSED: Final = {
    "--index-url": _INDEX,
    "--pypi-url": _INDEX,
    "--extra-index-url": _INDEX,
    "--no-index": _INDEX,
    "--find-links": _INDEX,
    "--trusted-host": "name the certificate authority of the index in SSL_CERT_FILE instead",
    "--no-binary": "wheels are what is carried; take the option out",
    "--pre": _PRE,
    "--all-releases": _PRE,
    "--only-final": "pre-releases stay out unless nothing else is left; take the option out",
    "--editable": "build a wheel, put it onto your index and write its name and version instead",
}

Option: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class RequirementsReader:
    """Follows files into those that they name, each once in each role.

    Attributes:
        gathered: Takes what is found.
    """

    gathered: Gathered
    _done: set[tuple[str, Role]] = field(default_factory=set)

    def read(self, path: Path, role: Role, asked_by: str, above: tuple[str, ...] = ()) -> None:
        """Read one file and those below; `above` are the names of the files that led here."""
        source = self.gathered.read(path, asked_by)
        if source is None:
            return
        if source.name in above:
            chain = " → ".join((*above[above.index(source.name) :], source.name))
            self.gathered.faults.append(
                f"{asked_by}: the files name each other in a circle: {chain}"
            )
            return
        if (source.name, role) in self._done:
            return
        self._done.add((source.name, role))
        try:
            text = decode(source.data)
        except ValueError as error:
            self.gathered.faults.append(f"{source.path}: {error}")
            return
        for number, line in logical_lines(text):
            try:
                self._take(source, number, line, role, above)
            except ValueError as error:
                self.gathered.faults.append(f"{source.path}:{number}: {error}")

    def _take(
        self, source: Source, number: int, line: str, role: Role, above: tuple[str, ...]
    ) -> None:
        text, options = split_line(line)
        if text:
            asked = AskedRequirement(
                parse_requirement(text) if role == "requirement" else parse_constraint(text),
                f"{source.name}, line {number}",
                _digests(options),
            )
            into = (
                self.gathered.requirements if role == "requirement" else self.gathered.constraints
            )
            into.append(asked)
            return
        for name, value in options:
            if name == "--require-hashes":
                self.gathered.require_hashes = True
            elif name == "--hash":
                raise ValueError(
                    "--hash has no requirement; the line above must end with a backslash"
                )
            elif name in {"--requirement", "--constraint"}:
                if _SCHEME.match(value):
                    raise ValueError(f"{name} names a URL; fetch the file and name its path")
                # As in pip: the option decides on the role, also inside a constraints file.
                below: Role = "requirement" if name == "--requirement" else "constraint"
                path = source.path.parent / value
                self.read(path, below, f"{source.path}:{number}", (*above, source.name))


def split_line(line: str) -> tuple[str, tuple[Option, ...]]:
    """A logical line as requirement (or nothing) and options under their long names.

    Raises:
        ValueError: if an option is unknown or cannot be honoured, or stands in the wrong place. No
            value is quoted: it may have a password in it.
    """
    if match := _VARIABLE.search(line):
        raise ValueError(f"environment variables are not looked up; write the value of {match[0]}")
    begin = match.start() if (match := _OPTION.search(line)) else len(line)
    text = line[:begin].strip()
    try:
        found, rest = getopt.getopt(
            shlex.split(line[begin:]), "".join(f"{name[1]}:" for name in _SHORT), [*_LONG]
        )
    except getopt.GetoptError as error:
        raise ValueError(f"{error.msg}") from error
    except ValueError as error:
        raise ValueError(f"the options cannot be read: {error}") from error
    options = tuple((_SHORT.get(name, name), value) for name, value in found)
    for name, _ in options:
        if advice := _REFUSED.get(name):
            raise ValueError(f"{name} cannot be honoured; {advice}")
        if text and name != "--hash" and name not in _HARMLESS:
            raise ValueError(f"{name} belongs onto a line of its own")
    if rest or not (text or options):
        raise ValueError("neither a requirement nor an option; a requirement stands before options")
    return text, options


def _digests(options: tuple[Option, ...]) -> frozenset[Sha256]:
    return frozenset(_digest(value) for name, value in options if name == "--hash")


def _digest(value: str) -> Sha256:
    algorithm, colon, digest = value.partition(":")
    if not colon:
        raise ValueError("--hash wants an algorithm and a digest: --hash=sha256:0123…")
    if algorithm != "sha256":
        raise ValueError(f"--hash={algorithm}: … cannot be checked; give the sha256 digest instead")
    return parse_sha256(digest.lower())
