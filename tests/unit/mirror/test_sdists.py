"""Source distributions in a mirror: filed, listed and served, with nothing beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bundler.errors import DamagedError, RefusedError
from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.mirror.negotiate import JSON
from bundler.mirror.publish import publish
from bundler.wheel.fault import WheelError
from tests.fakes.asking import ask
from tests.fakes.mirrors import blob_of, bundled, deliver, documents_of
from tests.fakes.sdists import build_sdist
from tests.fakes.wheels import build_wheel

SOURCE = build_sdist("Foo.Bar", "1.0", requires_python=">=3.8")
WHEEL = build_wheel("foo-bar", "1.0")
DIGEST = blob_of(SOURCE[1]).sha256
PATH = f"/files/{DIGEST[:2]}/{DIGEST}/foo_bar-1.0.tar.gz"


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror.create(tmp_path)
    files = [bundled(SOURCE, requires_python=">=3.8"), bundled(WHEEL)]
    publish(mirror, deliver(mirror, [SOURCE, WHEEL], documents_of(files).values()), ignore)
    return mirror


def test_it_is_filed_without_metadata(mirror: Mirror) -> None:
    folder = mirror.file_folder(DIGEST)
    assert [path.name for path in folder.iterdir()] == ["foo_bar-1.0.tar.gz"]
    assert mirror.has(blob_of(SOURCE[1]))


def test_it_is_listed_without_metadata(mirror: Mirror) -> None:
    answer = ask(mirror, "/simple/foo-bar/", {"accept": JSON})
    page = json.loads(answer.body)
    assert page["versions"] == ["1.0"]
    wheel, source = page["files"]
    assert (wheel["filename"], source["filename"]) == (WHEEL[0], SOURCE[0])
    assert "core-metadata" in wheel
    assert "core-metadata" not in source
    assert source["requires-python"] == ">=3.8"
    html = ask(mirror, "/simple/foo-bar/").body.decode()
    (line,) = (line for line in html.splitlines() if SOURCE[0] in line)
    assert f'href="../..{PATH}#sha256={DIGEST}"' in line
    assert "metadata" not in line


def test_it_is_served(mirror: Mirror) -> None:
    answer = ask(mirror, PATH)
    assert answer.status == 200
    assert answer.headers["ETag"] == f'"{DIGEST}"'
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert "Content-Encoding" not in answer.headers
    assert answer.file is not None
    assert answer.file.path.read_bytes() == SOURCE[1]
    for path in (f"{PATH}.metadata", PATH.replace(".gz", ".bz2"), PATH.replace(".tar.gz", ".zip")):
        assert ask(mirror, path).status == 404


def test_publishing_again_changes_nothing(mirror: Mirror) -> None:
    files = [bundled(SOURCE, requires_python=">=3.8"), bundled(WHEEL)]
    again = publish(mirror, deliver(mirror, [], documents_of(files).values()), ignore)
    assert (again.changed, again.files, again.new_files) == (False, 2, 0)


def test_two_streams_may_have_it(mirror: Mirror) -> None:
    other = bundled(SOURCE, requires_python=">=3.8", yanked="old")
    publish(mirror, deliver(mirror, [], documents_of([other]).values(), stream="ml"), ignore)
    answer = ask(mirror, "/simple/foo-bar/", {"accept": JSON})
    assert [file["yanked"] for file in json.loads(answer.body)["files"]] == [False, "old"]


def test_one_name_with_two_digests_is_refused(mirror: Mirror) -> None:
    other = build_sdist("foo-bar", "1.0", requires=["x"])
    manifest = deliver(mirror, [other], stream="ml")
    with pytest.raises(RefusedError, match=r"foo_bar-1\.0\.tar\.gz is .* in stream"):
        publish(mirror, manifest, ignore)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"metadata": blob_of(b"lie").sha256}, "its static metadata is not the one"),
        (
            {"requires_python": ">=3.8", "filename": "foo-1.0.tar.gz"},
            "begins with 'foo_bar-1.0/PKG",
        ),
        ({"requires_python": ">=4"}, "is listed with Requires-Python '>=4'"),
    ],
)
@pytest.mark.parametrize("filed", [True, False])
def test_a_document_cannot_lie_about_it(
    tmp_path: Path, attributes: dict[str, str], reason: str, *, filed: bool
) -> None:
    mirror = Mirror.create(tmp_path)
    if filed:
        publish(mirror, deliver(mirror, [SOURCE]), ignore)
    lie = bundled(SOURCE, **attributes)
    manifest = deliver(mirror, [SOURCE], documents_of([lie]).values(), sequence=2)
    with pytest.raises(WheelError) as caught:
        publish(mirror, manifest, ignore)
    assert reason in caught.value.message
    assert mirror.file_folder(DIGEST).exists() == filed


def test_a_rotten_one_is_removed_and_named(mirror: Mirror) -> None:
    path = mirror.file_path(bundled(SOURCE))
    data = bytearray(SOURCE[1])
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    files = [bundled(SOURCE, requires_python=">=3.8"), bundled(WHEEL)]
    with pytest.raises(DamagedError, match=r"foo_bar-1\.0\.tar\.gz"):
        publish(mirror, deliver(mirror, [WHEEL], documents_of(files).values()), ignore)
    assert not path.exists()


def test_a_filename_cannot_leave_its_folder(mirror: Mirror) -> None:
    for filename in ("../x-1.tar.gz", ".x-1.tar.gz", "x-1.tar.gz.metadata", "x-1.zip"):
        with pytest.raises(RefusedError, match="cannot be the name of a file in a mirror"):
            mirror.file_path(replace(bundled(SOURCE), filename=filename))
