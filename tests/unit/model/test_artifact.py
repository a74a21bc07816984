from __future__ import annotations

import subprocess
import sys

import pytest
from packaging.tags import parse_tag
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, canonicalize_name
from packaging.version import Version

from bundler.model.artifact import (
    MAX_FILENAME,
    MAX_HEADER_LINES,
    MAX_TAGS,
    SdistName,
    Sha256,
    header_block,
    is_sdist,
    parse_file_name,
    parse_sdist_name,
    parse_sha256,
    parse_wheel_name,
)


def compressed_tags(pythons: int, abis: int, platforms: int) -> str:
    """Tags that stand for `pythons * abis * platforms` tags."""
    counts = {"p": pythons, "a": abis, "o": platforms}
    return "-".join(".".join(f"{c}{n}" for n in range(count)) for c, count in counts.items())


def test_a_digest() -> None:
    digest = "0123456789abcdef" * 4
    assert parse_sha256(digest) == Sha256(digest)


@pytest.mark.parametrize(
    "text", ["", "0" * 63, "0" * 65, "A" * 64, "\u0660" * 64, "0" * 63 + "\n", 7]
)
def test_no_digest(text: object) -> None:
    with pytest.raises(ValueError, match=r"^not a sha256 digest: "):
        parse_sha256(text)


def test_a_wheels_name() -> None:
    name = parse_wheel_name("A_b-1.0-2x-py2.py3-none-any.whl")
    assert name.project == "a-b"
    assert name.version == Version("1.0")
    assert name.build == (2, "x")
    assert name.tags == parse_tag("py2.py3-none-any")


@pytest.mark.parametrize("name", ["", "a-1.0.tar.gz", "a-1.0-py3-none-any", "a-x-py3-none-any.whl"])
def test_no_wheels_name(name: str) -> None:
    with pytest.raises(InvalidWheelFilename):
        parse_wheel_name(name)


def test_the_longest_name() -> None:
    tail = "-1.0-py3-none-any.whl"
    name = "a" * (MAX_FILENAME - len(tail)) + tail
    assert parse_wheel_name(name).version == Version("1.0")
    with pytest.raises(InvalidWheelFilename, match=r"\(more than 255 characters\): 'aaa") as caught:
        parse_wheel_name("a" + name)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("build", ["", "-1"])
def test_a_name_with_as_many_tags_as_allowed(build: str) -> None:
    name = f"a-1.0{build}-{compressed_tags(10, 10, 10)}.whl"
    assert len(parse_wheel_name(name).tags) == MAX_TAGS
    with pytest.raises(InvalidWheelFilename, match=r"\(1100 tags\): 'a-1.0"):
        parse_wheel_name(f"a-1.0{build}-{compressed_tags(10, 10, 11)}.whl")


def test_what_is_remembered_is_small() -> None:
    few, many = (f"a-1-{compressed_tags(3, 3, n)}.whl" for n in (3, 4))
    assert parse_wheel_name(few) is parse_wheel_name(few)
    assert parse_wheel_name(many) is not parse_wheel_name(many)
    assert parse_wheel_name(many) == parse_wheel_name(many)


def test_names_that_stand_for_millions_of_tags_cost_nothing() -> None:
    program = """
import resource
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, canonicalize_name
from bundler.model.artifact import parse_wheel_name

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = peak()
for letters in (38, 200):
    tags = "-".join([".".join("a" * letters)] * 3)
    for number in range(20):
        try:
            parse_wheel_name(f"a-{number}-{tags}.whl")
        except InvalidWheelFilename:
            continue
        raise SystemExit("accepted")
for number in range(300):
    parse_wheel_name(f"a-{number}-{'-'.join(['.'.join('abcdefghij')] * 3)}.whl")
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) < 8 << 10  # KiB


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("body", [b"", b"\nName: b", b"\rName: b", b"text\nName: b", b"\xff: x\n"])
def test_headers_end_where_email_ends_them(end: bytes, body: bytes) -> None:
    if end == b"\r" and body.startswith(b"\n"):
        end = b"\n"  # together they would be one end of a line
    headers = end.join([b"From me", b"Name: a", b"\tmore", b"X:", b" ", b": nameless", b""])
    assert header_block(headers + body) == headers


@pytest.mark.parametrize("data", [b"", b"Name: a", b"Name: a\n more"])
def test_headers_may_be_all(data: bytes) -> None:
    assert header_block(data) == data


def test_headers_beyond_the_limit_are_refused() -> None:
    data = b"A:\n" * (MAX_HEADER_LINES - 1)
    assert header_block(data + b"\nA:\n") == data
    with pytest.raises(ValueError, match=r"^METADATA has 20000 lines of headers or more$"):
        header_block(data + b"A:\n")


def test_the_name_of_a_source_distribution() -> None:
    expected = SdistName(canonicalize_name("foo-bar"), Version("1.0"))
    for filename in ("foo_bar-1.0.tar.gz", "Foo.Bar-1.0.0.tar.gz", "foo-bar-1.0.tar.gz"):
        assert parse_sdist_name(filename) == expected
        assert parse_file_name(filename) == expected
        assert is_sdist(filename)
    wheel = "foo_bar-1.0-py3-none-any.whl"
    assert parse_file_name(wheel) == parse_wheel_name(wheel)
    assert not is_sdist(wheel)


@pytest.mark.parametrize(
    "filename", ["a-1.zip", "a.tar.gz", "a-x.tar.gz", f"a-{'1' * 250}.tar.gz", ".tar.gz", ""]
)
def test_no_name_of_a_source_distribution(filename: str) -> None:
    with pytest.raises(InvalidSdistFilename):
        parse_sdist_name(filename)
