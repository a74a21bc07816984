from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import canonical
from bundler.model.contents import Accepted, Contents
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument, parse_stream

DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: Sha256(data.hex()))
BLOBS = st.builds(Blob, DIGESTS, st.integers(0, 2**50))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
NAMES = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+){0,2}", fullmatch=True).map(NormalizedName)
STREAMS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
TUPLES = st.lists(TEXTS, max_size=3).map(tuple)
TIMES = st.datetimes().map(lambda time: f"{time:%m-%dT%H:%M:%SZ}").map("2026-{}".format)

MANIFESTS = st.builds(
    Manifest,
    stream=STREAMS,
    sequence=st.integers(1, 10**9),
    created=TIMES,
    tool=TEXTS,
    targets=TUPLES,
    profile=BLOBS,
    projects=st.dictionaries(NAMES, BLOBS, max_size=4),
    locks=st.dictionaries(st.from_regex(r"[a-z.-]{1,12}", fullmatch=True), BLOBS, max_size=3),
    contents=st.none()
    | st.builds(
        Contents,
        documents=st.dictionaries(NAMES, BLOBS, max_size=4),
        natives=st.integers(0, 10**6),
        covered=st.integers(0, 10**6),
        sboms=st.integers(0, 10**6),
        accepted=st.lists(
            st.builds(Accepted, filename=TEXTS, wheel=DIGESTS, reason=TEXTS, rules=TUPLES),
            max_size=2,
        ).map(tuple),
    ),
)


def files(name: str) -> st.SearchStrategy[BundledFile]:
    return st.builds(
        BundledFile,
        filename=st.integers(0, 99).map(
            lambda number: f"{name.replace('-', '_')}-{number}-py3-none-any.whl"
        ),
        blob=BLOBS,
        metadata=DIGESTS,
        index=TEXTS,
        targets=TUPLES,
        required_by=TUPLES,
        requires_python=st.none() | TEXTS,
        upload_time=st.none() | TEXTS,
        yanked=st.none() | TEXTS,
    )


@st.composite
def documents(draw: st.DrawFn) -> ProjectDocument:
    name = draw(NAMES)
    listed = draw(st.lists(files(name), max_size=3, unique_by=lambda file: file.filename))
    return ProjectDocument(
        name=name,
        files=tuple(sorted(listed, key=lambda file: file.filename)),
        status=draw(TEXTS),
        status_reason=draw(st.none() | TEXTS),
    )


@given(MANIFESTS)
def test_manifests_are_read_as_they_were_written(manifest: Manifest) -> None:
    data = manifest.to_bytes()
    assert Manifest.from_bytes(data) == manifest
    assert Manifest.from_bytes(data).to_bytes() == data


@given(documents())
def test_project_documents_are_read_as_they_were_written(document: ProjectDocument) -> None:
    data = document.to_bytes()
    assert ProjectDocument.from_bytes(data) == document
    assert ProjectDocument.from_bytes(data).to_bytes() == data


BLOB = Blob(Sha256("ab" * 32), 3)
MANIFEST = Manifest(
    stream="web",
    sequence=1,
    created="2026-01-31T12:00:00Z",
    tool="bundler 0",
    targets=("t",),
    profile=BLOB,
    projects={NormalizedName("a"): BLOB},
    locks={"pylock.t.toml": Blob(Sha256("cd" * 32), 4)},
)
FILE = BundledFile(
    filename="a-1-py3-none-any.whl",
    blob=BLOB,
    metadata=Sha256("ef" * 32),
    index="main",
    targets=("t",),
    required_by=("profile",),
)
DOCUMENT = ProjectDocument(name=NormalizedName("a"), files=(FILE,))


def test_a_manifest_names_its_blobs() -> None:
    assert list(MANIFEST.blobs()) == [BLOB, BLOB, Blob(Sha256("cd" * 32), 4)]


def changed(data: bytes, **changes: Any) -> bytes:
    return canonical({**json.loads(data), **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 2}, r"manifest\.format: this version"),
        ({"stream": "Web"}, "'Web' is not a stream name"),
        ({"stream": 1}, r"manifest\.stream: not a string"),
        ({"sequence": 0}, r"manifest\.sequence: not an integer of 1 or more"),
        ({"created": "today"}, r"manifest\.created: not a time"),
        ({"tool": None}, r"manifest\.tool: not a string"),
        ({"targets": "t"}, r"manifest\.targets: not an array of strings"),
        ({"profile": {"sha256": "ab", "size": 1}}, r"manifest\.profile\.sha256: not a sha256"),
        ({"projects": {"A": {"sha256": "ab" * 32, "size": 1}}}, "manifest.projects: 'A' is not a"),
        ({"projects": {"a": {"sha256": "ab" * 32}}}, r"manifest\.projects\.a: no key 'size'"),
        ({"locks": []}, r"manifest\.locks: not an object"),
        ({"more": 1}, "manifest: unknown key 'more'"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_place(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Manifest.from_bytes(changed(MANIFEST.to_bytes(), **changes))


@pytest.mark.parametrize("key", sorted(json.loads(MANIFEST.to_bytes())))
def test_a_key_of_the_manifest_is_never_left_out(key: str) -> None:
    document = json.loads(MANIFEST.to_bytes())
    del document[key]
    with pytest.raises(ValueError, match=f"manifest: no key '{key}'"):
        Manifest.from_bytes(canonical(document))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"filename": "b-1-py3-none-any.whl"}, r"files\[0\]\.filename: '.*' is not a file of a"),
        (
            {"filename": "a-1.zip"},
            r"project document\.files\[0\]\.filename: 'a-1.zip' is no name for a wheel",
        ),
        ({"filename": "a-1-py3-none.whl"}, r"files\[0\]\.filename: Invalid wheel"),
        ({"filename": "a-1-py3-none-any\nx.whl"}, r"is no name for a wheel"),
        ({"size": 1 << 53}, r"files\[0\]\.size: not an integer"),
        ({"sha256": "x"}, r"project document\.files\[0\]\.sha256: not a sha256 digest"),
        ({"size": None}, r"project document\.files\[0\]\.size: not an integer"),
        ({"yanked": False}, r"project document\.files\[0\]\.yanked: neither a string nor null"),
        ({"passed-through": 1}, r"files\[0\]\.passed-through: neither true nor false"),
        ({"more": 1}, r"project document\.files\[0\]: unknown key 'more'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(changes: dict[str, Any], reason: str) -> None:
    document = json.loads(DOCUMENT.to_bytes())
    document["files"][0] |= changes
    with pytest.raises(ValueError, match=reason):
        ProjectDocument.from_bytes(canonical(document))


@pytest.mark.parametrize("names", [("b", "a"), ("a", "a")])
def test_files_are_sorted_and_stand_once(names: tuple[str, str]) -> None:
    document = json.loads(DOCUMENT.to_bytes())
    tags = {"a": "a-1-py2-none-any.whl", "b": "a-1-py3-none-any.whl"}
    document["files"] = [{**document["files"][0], "filename": tags[name]} for name in names]
    with pytest.raises(ValueError, match="files are not sorted, or one stands twice"):
        ProjectDocument.from_bytes(canonical(document))


def test_a_wrong_project_document_is_refused() -> None:
    with pytest.raises(ValueError, match=r"project document\.name: 'A' is not a normalised"):
        ProjectDocument.from_bytes(changed(DOCUMENT.to_bytes(), name="A"))
    with pytest.raises(ValueError, match="project document: unknown key 'x'"):
        ProjectDocument.from_bytes(changed(DOCUMENT.to_bytes(), x=1))


@pytest.mark.parametrize("name", ["a", "web", "web-2", "0", "a" * 64])
def test_stream_names(name: str) -> None:
    assert parse_stream(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "A", "a/b", "..", "a.b", "a" * 65, "a\n", "é", None, 7]
)
def test_what_is_no_stream_name(name: object) -> None:
    with pytest.raises(ValueError, match="is not a stream name"):
        parse_stream(name)
