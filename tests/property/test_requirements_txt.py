"""Requirements files: what is written is what is read, and lines are what pip takes for lines."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from bundler.inputs.gathered import Gathered
from bundler.inputs.lines import logical_lines
from bundler.inputs.requirements_txt import RequirementsReader
from bundler.model.artifact import Sha256
from tests.fakes.inputs import digest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # whatever this version of pip says about this Python
    from pip._internal.req.req_file import preprocess

REQUIREMENTS = st.sampled_from(
    [
        "a",
        "Some.Name[x,y-z]>=1.0,!=2.*",
        'b==1!2.0+local ; python_version < "3.12" and (os_name == "nt" or extra == "x")',
        "c ~= 1.4.2; platform_release == 'a-b' or sys_platform=='linux'",
        "d===2004d",
        "e (>=1)",
    ]
)
DIGESTS = st.lists(st.sampled_from([digest(name) for name in "xyz"]), max_size=3)
SPACE = st.sampled_from([" ", "  ", "\t", " \\\n", " \\\r\n    ", " \\\n\\\n "])
END = st.sampled_from(["\n", "\r\n", " # why\n", "  # a \\ b\n", "\n\n", "\n # --pre\n"])


@dataclass(frozen=True)
class Written:
    """A requirement and its text in a file."""

    requirement: str
    digests: frozenset[Sha256]
    text: str


@st.composite
def written(draw: st.DrawFn) -> Written:
    """A requirement with its hashes, over one or more lines."""
    requirement, digests = draw(REQUIREMENTS), draw(DIGESTS)
    hashes = (
        draw(SPACE) + draw(st.sampled_from(["--hash=", "--hash "])) + f"sha256:{digest}"
        for digest in digests
    )
    return Written(requirement, frozenset(digests), requirement + "".join(hashes) + draw(END))


@given(items=st.lists(written(), min_size=1), mark=st.sampled_from(["", "\ufeff"]))
def test_what_is_written_is_read(items: list[Written], mark: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.in"
        path.write_bytes((mark + "".join(item.text for item in items)).encode())
        gathered = Gathered(Path(folder))
        RequirementsReader(gathered).read(path, "requirement", "test")
    assert gathered.faults == []
    assert [(r.requirement, r.sha256s) for r in gathered.requirements] == [
        (Requirement(item.requirement), item.digests) for item in items
    ]
    assert [r.origin for r in gathered.requirements] == [
        f"a.in, line {number}" for number in first_lines(items)
    ]


def first_lines(items: list[Written]) -> Iterator[int]:
    number = 1
    for item in items:
        yield number
        number += item.text.count("\n")


@given(st.lists(st.sampled_from(["a", "#", " ", "\t", "\\", "\n", "\r\n", "\x0c", "-r b"])))
def test_lines_are_what_pip_takes_for_lines(parts: list[str]) -> None:
    text = "".join(parts)
    assert list(logical_lines(text)) == list(preprocess(text))


@given(st.text(alphabet=st.sampled_from("ab=<>[](),;@:/.-'\"#\\ \n\t~!*$"), max_size=60))
def test_any_text_is_read_or_told_about(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.in"
        path.write_text(text)
        gathered = Gathered(Path(folder))
        RequirementsReader(gathered).read(path, "requirement", "test")
    lines = [number for number, _ in logical_lines(text)]
    told = [int(fault.removeprefix(f"{path}:").partition(":")[0]) for fault in gathered.faults]
    found = [int(asked.origin.rpartition(" ")[2]) for asked in gathered.requirements]
    assert sorted(told + found) == lines
