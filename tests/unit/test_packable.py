from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bundler.model.artifact import Blob
from bundler.packable import Described, Shape, contents, documents, paths, releases
from tests.fakes.sender import make_sender, wheel
from tests.fakes.trust import blob, digest

WHEELS = [wheel("alpha", "1.1"), wheel("alpha"), wheel("beta")]
ATTESTATION = blob(b"of everything at once")


def described(folder: Path) -> Described:
    """A mirror whose files all have one attestation."""
    found = make_sender(folder).describe(WHEELS, 1)
    attested = [
        replace(each, files=tuple(replace(file, provenance=ATTESTATION) for file in each.files))
        for each in found.documents
    ]
    return replace(found, documents=attested)


def test_what_releases_share_is_packed_once(tmp_path: Path) -> None:
    one, two, three = releases(described(tmp_path), Shape())
    assert [each.label for each in (one, two, three)] == ["alpha 1.0", "alpha 1.1", "beta 1.0"]
    assert [each.projects for each in (one, two, three)] == [("alpha",), ("alpha",), ("beta",)]
    assert list(one.blobs) == [blob(WHEELS[1][1]), ATTESTATION]
    assert [list(two.blobs), list(three.blobs)] == [[blob(WHEELS[0][1])], [blob(WHEELS[2][1])]]


def test_what_is_not_wanted_is_left_out(tmp_path: Path) -> None:
    found, beta = described(tmp_path), blob(WHEELS[2][1])

    def is_wanted(one: Blob) -> bool:
        return one == beta

    (segment,) = releases(found, Shape(wanted=is_wanted))
    assert (segment.label, list(segment.blobs)) == ("beta 1.0", [beta])
    assert documents(found, Shape(wanted=is_wanted)) is None
    assert list(contents(found.manifest, Shape())) == []


def test_documents_are_in_one_order(tmp_path: Path) -> None:
    found = described(tmp_path)
    segment = documents(found, Shape())
    assert segment is not None
    assert segment.label == "documents"
    assert list(segment.blobs) == sorted(set(found.manifest.blobs()))
    assert not segment.projects


def test_files_have_their_names_in_a_folder(tmp_path: Path) -> None:
    found = described(tmp_path)
    root = blob(b"{}")
    found = replace(found, manifest=replace(found.manifest, trusted_root=root))
    places = dict(paths(found))
    assert places[found.manifest.profile.sha256] == "documents/profile.toml"
    assert places[root.sha256] == "documents/trusted-root.json"
    assert places[digest(WHEELS[2][1])] == "files/beta-1.0-py3-none-any.whl"
    assert places[ATTESTATION.sha256].startswith("files/")
    assert places[ATTESTATION.sha256].endswith(".whl.provenance")
    assert len(set(places.values())) == len(places)
