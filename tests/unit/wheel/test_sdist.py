from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import tracemalloc
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundler.errors import RefusedError
from bundler.model.artifact import Sha256
from bundler.wheel import sdist as module
from bundler.wheel.sdist import SdistError, SdistFacts, check_sdist, read_sdist
from tests.fakes.sdists import Entry, build_sdist, file_entry, other_entry, tar_gz

NAME = "foo_bar-1.0.tar.gz"
INFO = file_entry("foo_bar-1.0/PKG-INFO", b"Metadata-Version: 2.2\nName: foo-bar\nVersion: 1.0\n")


def read(filename: str, data: bytes) -> SdistFacts:
    return read_sdist(io.BytesIO(data), filename)


def refused(data: bytes, filename: str = NAME) -> str:
    """Why it is refused, without its name."""
    with pytest.raises(SdistError) as caught:
        read(filename, data)
    assert caught.value.message.startswith(f"{filename}: ")
    return caught.value.message.removeprefix(f"{filename}: ")


def with_entries(*entries: Entry, behind: bytes = b"") -> bytes:
    return tar_gz([INFO, *entries], behind=behind)


def from_pyproject(text: str, **options: object) -> str:
    """The metadata of one whose PKG-INFO is not static."""
    given = {"metadata_version": "2.1", "files": {"pyproject.toml": text.encode()}, **options}
    return read(*build_sdist("Foo.Bar", "1.0", **given)).metadata.decode()  # type: ignore[arg-type]


def test_static_pkg_info_is_taken_as_it_is() -> None:
    facts = read(
        *build_sdist("Foo.Bar", "1.0", requires=["a>1"], extras=["x"], build=["hatchling>=1"])
    )
    assert facts.metadata == (
        b"Metadata-Version: 2.2\nName: Foo.Bar\nVersion: 1.0\nProvides-Extra: x\n"
        b"Requires-Dist: a>1\n"
    )
    assert facts.build_requires == ("hatchling>=1",)


def test_other_things_may_be_dynamic() -> None:
    filename, data = build_sdist(
        "a", "1", metadata_version="2.4", dynamic=["License-File", "Classifier"], requires=["b"]
    )
    assert b"Requires-Dist: b\n" in read(filename, data).metadata


@pytest.mark.parametrize("project", ["", 'name = "a"\nversion = "1"\n'])
@pytest.mark.parametrize("build", [None, []])
def test_what_a_build_needs_that_says_nothing(project: str, build: list[str] | None) -> None:
    text = f"[project]\n{project}" if project else "[tool.x]\n"
    files = {} if build is None else {"pyproject.toml": text.encode()}
    facts = read(*build_sdist("a", "1", build=build, files=files))
    assert facts.build_requires == ("setuptools>=40.8.0",)


def test_metadata_from_pyproject() -> None:
    text = """
        [project]
        name = "foo_bar"
        requires-python = " >=3.9"
        dependencies = [" a>1 ", "b; os_name == 'nt'"]
        dynamic = ["version", "readme"]
        [project.optional-dependencies]
        Some_Extra = ["c ; ", "d>2; python_version < '4' or os_name == 'nt'"]
        none = []
    """
    assert from_pyproject(text) == (
        "Metadata-Version: 2.2\n"
        "Name: foo-bar\n"
        "Version: 1.0\n"
        "Requires-Python: >=3.9\n"
        "Requires-Dist: a>1\n"
        "Requires-Dist: b; os_name == 'nt'\n"
        "Provides-Extra: some-extra\n"
        'Requires-Dist: c ; extra == "some-extra"\n'
        "Requires-Dist: d>2 ; (python_version < '4' or os_name == 'nt') and"
        ' extra == "some-extra"\n'
        "Provides-Extra: none\n"
    )


def test_metadata_from_pyproject_without_dependencies() -> None:
    text = '[project]\nname = "foo-bar"\nversion = "1.0.0"\n'
    assert from_pyproject(text) == "Metadata-Version: 2.2\nName: foo-bar\nVersion: 1.0\n"
    # PKG-INFO counts as little when it calls them dynamic.
    dynamic = {"metadata_version": "2.4", "dynamic": ["requires-dist"], "requires": ["wrong"]}
    assert "wrong" not in from_pyproject(text, **dynamic)


@pytest.mark.parametrize("version", ["2.1", "1.0", "3.0", "x", ""])
def test_metadata_that_promises_nothing(version: str) -> None:
    _, data = build_sdist("foo-bar", "1.0", metadata_version=version)
    assert refused(data) == (
        "only its build knows its dependencies: PKG-INFO does not promise that its own are those"
        " of every wheel (PEP 643), and there is no [project] in pyproject.toml"
    )


@pytest.mark.parametrize("field", ["Requires-Dist", "requires-python", "Provides-Extra "])
def test_dynamic_dependencies(field: str) -> None:
    _, data = build_sdist("foo-bar", "1.0", dynamic=[field], build=None)
    assert "only its build knows its dependencies" in refused(data)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            'dynamic = ["dependencies", "requires-python"]',
            "only its build knows its dependencies: dependencies, requires-python is dynamic",
        ),
        ('dependencies = "a"', "in its pyproject.toml project.dependencies is not an array"),
        (
            'dependencies = ["a\\nRequires-Dist: b"]',
            "project.dependencies has 'a\\nRequires-Dist: b', which is no line of text",
        ),
        ("requires-python = 3", "project.requires-python has 3, which is no line of text"),
        ("optional-dependencies = 3", "in its pyproject.toml optional-dependencies is not a table"),
        ('optional-dependencies = {"x\\n" = []}', "has 'x\\n', which is no line of text"),
        ('version = "2"', "its pyproject.toml is of the version '2'"),
        ("version = 1.0", "its pyproject.toml is of the version 1.0"),
        ('version = "one"', "Invalid version: 'one'"),
    ],
)
def test_projects_that_are_not_static(text: str, reason: str) -> None:
    with pytest.raises(SdistError) as caught:
        from_pyproject(f'[project]\nname = "foo-bar"\n{text}\n')
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[project]\n", "its pyproject.toml is of the project None"),
        (b'[project]\nname = "foo"\n', "its pyproject.toml is of the project 'foo'"),
        (b"\xff", "its pyproject.toml cannot be read: 'utf-8' codec"),
        (b"[", "its pyproject.toml cannot be read: "),
        (b"x = " + b"[" * 100_000, ""),  # too deep: how it says so is not ours
        (b"build-system = 1", "in its pyproject.toml build-system is not a table"),
        (b"[build-system]", "has a [build-system] without requires (PEP 518)"),
        (b"[build-system]\nrequires = [1]", "build-system.requires has 1, which is no line"),
    ],
)
def test_pyprojects_that_cannot_be_read(text: bytes, reason: str) -> None:
    _, data = build_sdist("foo-bar", "1.0", metadata_version="2.1", files={"pyproject.toml": text})
    assert reason in refused(data)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (b"Name: foo-bar\nVersion: 2.0\n", "its PKG-INFO says 'foo-bar' '2.0'"),
        (b"Name: foo\nVersion: 1.0\n", "its PKG-INFO says 'foo' '1.0'"),
        (b"Name: foo-bar\nVersion: x\n", "its PKG-INFO says 'foo-bar' 'x'"),
        (b"", "its PKG-INFO says '' ''"),
        (b"Name: a\nName: foo-bar\nVersion: 1.0\n", "its PKG-INFO has the field Name 2 times"),
        (b"Name: foo-bar\nVersion: 1.0\n" + b"A: b\n" * 20_000, "20000 lines of headers or more"),
    ],
)
def test_another_identity(info: bytes, reason: str) -> None:
    assert reason in refused(tar_gz([file_entry("foo_bar-1.0/PKG-INFO", info)]))


@pytest.mark.parametrize("filename", ["foo.tar.gz", "foo-x.tar.gz", "foo-1.0.zip", "foo-1.whl"])
def test_other_names(filename: str) -> None:
    assert refused(with_entries(), filename) == "not the name of a source distribution"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("foo_bar-1.0/../evil", "which is no plain path"),
        ("foo_bar-1.0/./PKG-INFO", "which is no plain path"),
        ("foo_bar-1.0//PKG-INFO", "which is no plain path"),
        ("foo_bar-1.0/a\\..\\b", "which is no plain path"),
        ("../evil", "which is no plain path"),
        ("/etc/passwd", "which is no plain path"),
        ("evil", "outside of its folder foo_bar-1.0"),
        ("foo-bar-1.0/x", "outside of its folder foo_bar-1.0"),
        ("foo_bar-1.0", "outside of its folder foo_bar-1.0"),
        ("foo_bar-1.0/pkg-info", "is not a regular file of that name"),
        ("foo_bar-1.0/PyProject.toml", "is not a regular file of that name"),
        ("foo_bar-1.0/PKG-INFO", "has PKG-INFO twice"),
    ],
)
def test_traversal_and_second_names(name: str, reason: str) -> None:
    assert reason in refused(with_entries(file_entry(name)))


@pytest.mark.parametrize("first", ["evil/PKG-INFO", "foo_bar-2.0/PKG-INFO", "../x", "PKG-INFO"])
def test_another_folder(first: str) -> None:
    data = tar_gz([file_entry(first), INFO])
    assert refused(data) == f"begins with {first!r}, not with a folder of its name"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
@pytest.mark.parametrize("name", ["PKG-INFO", "pyproject.toml"])
def test_links_are_not_followed(kind: bytes, name: str) -> None:
    target = file_entry("foo_bar-1.0/real", INFO[1])
    link = other_entry(f"foo_bar-1.0/{name}", kind, "real")
    assert "is not a regular file of that name" in refused(tar_gz([target, link]))


def test_other_links_do_not_matter_but_the_folder_is_none() -> None:
    link = other_entry("foo_bar-1.0/docs", tarfile.SYMTYPE, "/etc")
    read(NAME, with_entries(link))
    link = other_entry("foo_bar-1.0", tarfile.SYMTYPE, "/etc")
    assert "outside of its folder" in refused(with_entries(link))
    folder = other_entry("foo_bar-1.0", tarfile.DIRTYPE)
    assert read(NAME, tar_gz([folder, INFO])).metadata == INFO[1]


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices(kind: bytes) -> None:
    assert refused(with_entries(other_entry("foo_bar-1.0/x", kind))).endswith("a device or a pipe")


def test_no_pkg_info() -> None:
    assert refused(tar_gz([file_entry("foo_bar-1.0/x/PKG-INFO", INFO[1])])) == "has no PKG-INFO"


def test_not_an_archive() -> None:
    assert "not a readable source distribution: Not a gzipped file" in refused(b"hello")
    assert "not a readable source distribution" in refused(gzip.compress(b"x" * 600))
    assert "not a readable source distribution" in refused(gzip.compress(b""))
    assert "not a readable source distribution" in refused(with_entries()[:-20])
    data = bytearray(with_entries())
    data[-5] ^= 1  # the length at the end of gzip
    assert "not a readable source distribution" in refused(bytes(data))


def test_an_archive_that_ends_too_early() -> None:
    tar = gzip.decompress(with_entries(file_entry("foo_bar-1.0/x", b"x" * 5000)))
    assert "unexpected end of data" in refused(gzip.compress(tar[:3000]))


def test_something_behind_the_end() -> None:
    read(NAME, with_entries(behind=b"\0" * 5000))
    hidden = gzip.decompress(tar_gz([file_entry("foo_bar-1.0/PKG-INFO", b"other")]))
    reason = "something lies behind the end of the archive"
    assert refused(with_entries(behind=hidden)) == reason
    # A header that tarfile cannot read, which other programs would pass over.
    block = bytearray(gzip.decompress(with_entries())[:1024])
    assert refused(gzip.compress(bytes(block) + b"x" * 512 + hidden)) == reason


def test_bomb_of_zeros() -> None:
    _, data = build_sdist("foo-bar", "1.0", files={"big": b"\0" * 40_000_000})
    tracemalloc.start()
    assert refused(data) == "unpacks to more than 16777216 bytes, a bomb perhaps"
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_bomb_of_a_file_that_is_read() -> None:
    entry = file_entry("foo_bar-1.0/pyproject.toml", b" " * 5_000_000)
    assert refused(with_entries(entry)).endswith("pyproject.toml has 5000000 bytes")


def test_bomb_of_extended_headers() -> None:
    name = "foo_bar-1.0/" + "x" * 2_000_000
    assert refused(with_entries(file_entry(name))) == "an entry has too long a header"


def test_bomb_of_global_headers() -> None:
    target = io.BytesIO()
    many = {f"key{number}": "x" for number in range(100)}
    with tarfile.open(
        fileobj=target, mode="w", format=tarfile.PAX_FORMAT, pax_headers=many
    ) as archive:
        archive.addfile(INFO[0], io.BytesIO(INFO[1]))
    assert refused(gzip.compress(target.getvalue())) == "has too many global headers"


def test_bomb_of_nested_headers() -> None:
    # Each is for the next one, and tarfile calls itself for each.
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 0
    chain = header.tobuf(tarfile.USTAR_FORMAT) * 2000
    first = gzip.decompress(with_entries())[:1024]
    refused(gzip.compress(first + chain))


def test_bomb_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    entries: Iterable[Entry] = [file_entry(f"foo_bar-1.0/{number}") for number in range(3)]
    assert refused(with_entries(*entries)) == "has over 3 entries"


def test_too_large_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SDIST", 20)
    size = len(with_entries())
    assert refused(with_entries()) == f"has {size} bytes; at most 20 are read"


def test_an_entry_that_leads_backwards() -> None:
    header = bytearray(file_entry("foo_bar-1.0/x")[0].tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" + struct.pack(">q", -4096).rjust(11, b"\xff")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    first = gzip.decompress(with_entries())[:1024]
    assert "not a readable source distribution" in refused(gzip.compress(first + header * 3))


def test_a_sparse_file_is_none_that_is_read() -> None:
    target = io.BytesIO()
    entry = tarfile.TarInfo("foo_bar-1.0/pyproject.toml")
    entry.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9"}
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(INFO[0], io.BytesIO(INFO[1]))
        archive.addfile(entry)
    assert "is not a regular file" in refused(gzip.compress(target.getvalue()))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    _, good = build_sdist("foo-bar", "1.0", requires=["a"], build=["b"])
    tar = bytearray(gzip.decompress(good))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 2200))
        tar[at] = data.draw(st.integers(0, 255))
    with suppress(RefusedError):  # any other error is a failure
        assert isinstance(read(NAME, gzip.compress(bytes(tar), 1)), SdistFacts)


@given(st.binary(max_size=3000))
def test_any_bytes_are_refused(data: bytes) -> None:
    refused(data)
    refused(gzip.compress(data, 1))


def digest(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())


def test_a_source_distribution_is_held_against_its_plan() -> None:
    filename, data = build_sdist("foo-bar", "1.0", requires_python=">=3.9")
    planned = digest(read(filename, data).metadata)
    check_sdist(io.BytesIO(data), filename, planned, ">=3.9")
    with pytest.raises(SdistError, match="its static metadata is not the one that dependencies"):
        check_sdist(io.BytesIO(data), filename, digest(b""), ">=3.9")
    with pytest.raises(SdistError, match="is listed with Requires-Python '>=4', its METADATA says"):
        check_sdist(io.BytesIO(data), filename, planned, ">=4")
