from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import NormalizedName
from pypi_simple import ProjectPage

from bundler.errors import BundlerError, DamagedError, IncompleteError, RefusedError
from bundler.events import Advanced, Event, Finished, Started, ignore
from bundler.mirror import publish as publish_module
from bundler.mirror.filing import file_wheels
from bundler.mirror.generations import live, make_live, numbers
from bundler.mirror.layout import Mirror, metadata_path
from bundler.mirror.publish import Published, publish
from bundler.model.manifest import VerifiedManifest
from bundler.wheel.metadata import WheelError
from tests.fakes.mirrors import Wheel, blob_of, bundled, deliver, documents_of, tree
from tests.fakes.wheels import build_wheel

DEMO = build_wheel("demo", "1.0", requires=["leaf"])
LEAF = build_wheel("leaf", "2.0", requires_python=">=3.8")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.create(tmp_path)


def _page(mirror: Mirror, name: str) -> ProjectPage:
    path = mirror.simple / name / "index.html"
    return ProjectPage.from_html(name, path.read_text(), "https://example.org/simple/x/")


def _names(mirror: Mirror, name: str) -> list[str]:
    return [package.filename for package in _page(mirror, name).packages]


def _with(manifest: VerifiedManifest, **changes: Any) -> VerifiedManifest:
    return VerifiedManifest(replace(manifest, **changes))


def test_a_first_sequence_goes_live(mirror: Mirror) -> None:
    events: list[Event] = []
    manifest = deliver(mirror, [DEMO, LEAF])
    published = publish(mirror, manifest, events.append)
    assert published == Published(
        changed=True, generation=1, stream="web", sequence=1, projects=2, files=2, new_files=2
    )
    assert _names(mirror, "demo") == [DEMO[0]]
    assert _page(mirror, "leaf").packages[0].requires_python is None  # the document says none
    assert sorted(path.name for path in mirror.simple.iterdir()) == [
        "demo",
        "index.html",
        "index.v1_json",
        "leaf",
    ]
    shown = live(mirror)
    assert shown
    assert shown.streams["web"].sequence == 1
    assert mirror.store.read(shown.streams["web"].manifest, 10_000) == manifest.to_bytes()
    assert events == [
        Started("check wheels", 2, "wheels"),
        Advanced("check wheels", 1),
        Advanced("check wheels", 1),
        Finished("check wheels", "2 new of 2 wheels"),
        Started("write pages", 2, "projects"),
        Advanced("write pages", 1),
        Advanced("write pages", 1),
        Finished("write pages", "2 projects"),
    ]


def test_wheels_move_to_files_with_their_metadata(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, [DEMO]), ignore)
    file = bundled(DEMO)
    wheel = mirror.file_path(file)
    assert wheel.read_bytes() == DEMO[1]
    metadata = metadata_path(wheel).read_bytes()
    assert hashlib.sha256(metadata).hexdigest() == file.metadata
    assert b"Name: demo\n" in metadata
    assert not mirror.store.has(file.blob)
    assert mirror.has(file.blob)


def test_everything_that_is_served_can_be_read_by_others(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, [DEMO]), ignore)
    mask = os.umask(0)
    os.umask(mask)
    for start in (mirror.files, mirror.simple.resolve().parent):
        for path in [start, *start.rglob("*")]:
            wanted = 0o755 if path.is_dir() else 0o644
            assert stat.S_IMODE(path.stat().st_mode) & wanted == wanted & ~mask, path


def test_publishing_what_is_live_touches_nothing(mirror: Mirror) -> None:
    manifest = deliver(mirror, [DEMO, LEAF])
    publish(mirror, manifest, ignore)
    before = tree(mirror)
    events: list[Event] = []
    published = publish(mirror, manifest, events.append)
    assert not published.changed
    assert (published.generation, published.new_files, published.files) == (1, 0, 2)
    assert tree(mirror) == before
    assert events == []


def test_a_next_sequence_replaces_its_stream_and_keeps_the_old_generation(mirror: Mirror) -> None:
    newer = build_wheel("demo", "1.1")
    publish(mirror, deliver(mirror, [DEMO, LEAF]), ignore)
    published = publish(mirror, deliver(mirror, [newer, LEAF], sequence=2), ignore)
    assert (published.generation, published.new_files) == (2, 1)
    assert _names(mirror, "demo") == [newer[0]]
    assert numbers(mirror) == [1, 2]
    old = mirror.generations / "000001" / "simple"
    assert DEMO[0] in (old / "demo" / "index.html").read_text()
    # Unchanged pages are one file in both.
    new = mirror.generations / "000002" / "simple"
    assert (old / "leaf" / "index.html").samefile(new / "leaf" / "index.html")
    assert not (old / "demo" / "index.html").samefile(new / "demo" / "index.html")


def test_pages_are_written_where_links_are_not_possible(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    publish(mirror, deliver(mirror, [LEAF]), ignore)
    monkeypatch.setattr(os, "link", refuse)
    publish(mirror, deliver(mirror, [LEAF], sequence=2), ignore)
    assert _names(mirror, "leaf") == [LEAF[0]]


def test_streams_are_shown_together(mirror: Mirror) -> None:
    other = build_wheel("demo", "3.0")
    publish(mirror, deliver(mirror, [DEMO, LEAF]), ignore)
    publish(mirror, deliver(mirror, [other, LEAF], stream="ml", sequence=5), ignore)
    assert _names(mirror, "demo") == [DEMO[0], other[0]]
    assert _names(mirror, "leaf") == [LEAF[0]]
    publish(mirror, deliver(mirror, [LEAF], sequence=2), ignore)
    shown = live(mirror)
    assert shown
    assert {name: known.sequence for name, known in shown.streams.items()} == {"web": 2, "ml": 5}
    assert _names(mirror, "demo") == [other[0]]


def test_the_newer_manifest_knows_better_what_is_yanked(mirror: Mirror) -> None:
    plain, yanked = bundled(LEAF), bundled(LEAF, yanked="broken")
    name = NormalizedName("leaf")
    old = documents_of([plain])[name]
    new = replace(documents_of([yanked])[name], status="archived", status_reason="moved")
    newer = deliver(mirror, [LEAF], [new], stream="a", created="2026-03-01T00:00:00Z")
    older = deliver(mirror, [LEAF], [old], stream="b", created="2026-02-01T00:00:00Z")
    publish(mirror, newer, ignore)
    publish(mirror, older, ignore)
    page = _page(mirror, "leaf")
    assert page.packages[0].yanked_reason == "broken"
    assert (page.status, page.status_reason) == ("archived", "moved")


def test_one_filename_with_two_digests_is_refused_with_both(mirror: Mirror) -> None:
    rebuilt = build_wheel("leaf", "2.0", files={"leaf/new.py": b""})
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    manifest = deliver(mirror, [rebuilt], stream="ml")
    before = tree(mirror)
    with pytest.raises(RefusedError) as refused:
        publish(mirror, manifest, ignore)
    message = refused.value.message
    for part in (LEAF[0], blob_of(LEAF[1]).sha256, blob_of(rebuilt[1]).sha256, "web", "ml"):
        assert part in message
    assert tree(mirror) == before


def test_a_stream_may_replace_its_own_file(mirror: Mirror) -> None:
    rebuilt = build_wheel("leaf", "2.0", files={"leaf/new.py": b""})
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    publish(mirror, deliver(mirror, [rebuilt], sequence=2), ignore)
    assert _page(mirror, "leaf").packages[0].digests == {"sha256": blob_of(rebuilt[1]).sha256}


def test_what_is_missing_is_named(mirror: Mirror) -> None:
    manifest = deliver(mirror, [DEMO, LEAF])
    for blob in (blob_of(DEMO[1]), manifest.projects[NormalizedName("leaf")], manifest.profile):
        mirror.store.path(blob.sha256).unlink()
    before = tree(mirror)
    with pytest.raises(IncompleteError) as missing:
        publish(mirror, manifest, ignore)
    assert missing.value.message == (
        "sequence 1 of web is not complete, missing are the profile, the document of leaf,"
        f" {DEMO[0]}"
    )
    assert tree(mirror) == before


def test_a_single_missing_lock_is_named(mirror: Mirror) -> None:
    manifest = deliver(mirror, [LEAF])
    mirror.store.path(manifest.locks["pylock.cp312-linux.toml"].sha256).unlink()
    with pytest.raises(IncompleteError, match=r"missing is pylock\.cp312-linux\.toml$"):
        publish(mirror, manifest, ignore)


def test_many_missing_files_are_counted(mirror: Mirror) -> None:
    wheels = [build_wheel(f"p{number:02}", "1") for number in range(23)]
    manifest = deliver(mirror, wheels)
    for _, data in wheels:
        mirror.store.path(blob_of(data).sha256).unlink()
    with pytest.raises(IncompleteError, match=r"p19-1-py3-none-any\.whl, and 3 more$"):
        publish(mirror, manifest, ignore)


@pytest.mark.parametrize("bytes_", [b"{}", b"not JSON"])
def test_a_document_that_is_none_is_damage(mirror: Mirror, bytes_: bytes) -> None:
    manifest = deliver(mirror, [LEAF])
    broken = _with(manifest, projects={NormalizedName("leaf"): mirror.store.put(bytes_)})
    with pytest.raises(
        DamagedError, match="the document of leaf in sequence 1 of web is not readable"
    ):
        publish(mirror, broken, ignore)


def test_a_document_of_another_project_is_damage(mirror: Mirror) -> None:
    manifest = deliver(mirror, [LEAF])
    name = NormalizedName("leaf")
    swapped = _with(manifest, projects={NormalizedName("demo"): manifest.projects[name]})
    with pytest.raises(DamagedError, match=r"the document of demo .* is one of leaf"):
        publish(mirror, swapped, ignore)


def test_a_document_is_hashed_again(mirror: Mirror) -> None:
    manifest = deliver(mirror, [LEAF])
    path = mirror.store.path(manifest.projects[NormalizedName("leaf")].sha256)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(DamagedError, match="its digest is not the one in its name"):
        publish(mirror, manifest, ignore)


def test_a_live_manifest_that_is_no_longer_readable_is_damage(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    record = mirror.generations / "000001" / "generation.json"
    good, bad = live(mirror), mirror.store.put(b"nonsense")
    assert good
    known = good.streams["web"].manifest
    text = record.read_text().replace(known.sha256, bad.sha256)
    record.write_text(text.replace(f'"size":{known.size}', f'"size":{bad.size}'))
    with pytest.raises(DamagedError, match="the manifest of web is not readable"):
        publish(mirror, deliver(mirror, [DEMO], stream="ml"), ignore)


def _assert_untouched_by_failure(mirror: Mirror, files: set[str]) -> None:
    assert {path.name for path in mirror.generations.iterdir()} <= {"000001"}
    found = {path.name for path in mirror.files.rglob("*") if path.is_file()}
    assert found == files
    assert not list(mirror.state.glob("simple.new"))


def _filed(*wheels: Wheel) -> set[str]:
    return {name for wheel in wheels for name in (wheel[0], wheel[0] + ".metadata")}


def test_wheels_that_lie_are_all_named_and_none_is_filed(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    lies = [
        build_wheel("liar", "1.0", files={"liar-1.0.dist-info/METADATA": b"Name: other\n"}),
        ("cheat-1.0-py3-none-any.whl", b"no zip file"),
    ]
    wrong = build_wheel("wrong", "1.0")
    documents = documents_of(
        [
            bundled(DEMO),
            bundled(wrong, metadata=blob_of(b"another").sha256),
            *(replace(bundled(DEMO), filename=name, blob=blob_of(data)) for name, data in lies),
        ]
    )
    manifest = deliver(mirror, [DEMO, wrong, *lies], documents.values(), sequence=2)
    with pytest.raises(WheelError) as refused:
        publish(mirror, manifest, ignore)
    first, second, third = refused.value.message.splitlines()
    assert first.startswith("cheat-1.0-py3-none-any.whl: not a readable wheel")
    assert second.startswith("liar-1.0-py3-none-any.whl: its METADATA says 'other'")
    assert third.startswith("wrong-1.0-py3-none-any.whl: its METADATA is not the one")
    _assert_untouched_by_failure(mirror, _filed(LEAF))
    assert _names(mirror, "leaf") == [LEAF[0]]
    assert mirror.store.has(blob_of(DEMO[1]))


def test_a_filename_that_could_leave_the_folder_is_refused(mirror: Mirror) -> None:
    evil = replace(bundled(LEAF), filename="leaf-2.0-py3-none-x/y.whl")
    manifest = deliver(mirror, [LEAF], documents_of([evil]).values())
    with pytest.raises(RefusedError, match="cannot be the name of a file in a mirror"):
        publish(mirror, manifest, ignore)
    _assert_untouched_by_failure(mirror, set())


@pytest.mark.parametrize("step", ["_write_pages", "sync_folder", "make_live"])
def test_a_failure_before_the_switch_leaves_the_live_pages(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    publish(mirror, deliver(mirror, [LEAF]), ignore)
    manifest = deliver(mirror, [DEMO], sequence=2)
    with monkeypatch.context() as patched:
        patched.setattr(publish_module, step, fail)
        with pytest.raises(KeyboardInterrupt):
            publish(mirror, manifest, ignore)
    _assert_untouched_by_failure(mirror, _filed(LEAF, DEMO))
    assert _names(mirror, "leaf") == [LEAF[0]]
    # The same command simply works the next time.
    assert publish(mirror, manifest, ignore).generation == 2
    assert _names(mirror, "demo") == [DEMO[0]]


def test_a_failure_after_the_switch_keeps_what_is_live(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fail(mirror: Mirror, number: int) -> None:
        make_live(mirror, number)
        raise OSError(errno.EIO, "broken disk")

    manifest = deliver(mirror, [LEAF])
    monkeypatch.setattr(publish_module, "make_live", fail)
    with pytest.raises(BundlerError, match=r"cannot publish in .*: .*broken disk"):
        publish(mirror, manifest, ignore)
    assert _names(mirror, "leaf") == [LEAF[0]]


def test_a_full_disk_is_explained(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENOSPC, "full")

    manifest = deliver(mirror, [LEAF])
    publish(mirror, manifest, ignore)
    second = deliver(mirror, [LEAF], sequence=2)
    mirror.store.put(second.to_bytes())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundlerError, match="no room left in"):
        publish(mirror, second, ignore)
    _assert_untouched_by_failure(mirror, _filed(LEAF))


def test_what_a_killed_publication_left_is_swept(mirror: Mirror) -> None:
    (mirror.generations / ".new-dead").mkdir()
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    assert [path.name for path in mirror.generations.iterdir()] == ["000001"]


@pytest.mark.parametrize("damage", [None, b"Name: evil\n"])
def test_lost_or_changed_metadata_is_made_again(mirror: Mirror, damage: bytes | None) -> None:
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    file = bundled(LEAF)
    beside = metadata_path(mirror.file_path(file))
    beside.unlink()
    if damage:
        beside.write_bytes(damage)
    publish(mirror, deliver(mirror, [LEAF], sequence=2), ignore)
    assert blob_of(beside.read_bytes()).sha256 == file.metadata


def test_a_second_document_cannot_lie_about_a_filed_wheel(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    lie = bundled(LEAF, metadata=blob_of(b"lie").sha256)
    manifest = deliver(mirror, [LEAF], documents_of([lie]).values(), stream="ml")
    with pytest.raises(WheelError, match="its METADATA is not the one"):
        publish(mirror, manifest, ignore)
    _assert_untouched_by_failure(mirror, _filed(LEAF))


def test_the_same_bytes_may_have_two_names(mirror: Mirror) -> None:
    renamed = (LEAF[0].replace("-py3", "-1-py3"), LEAF[1])
    publish(mirror, deliver(mirror, [LEAF, renamed]), ignore)
    assert _names(mirror, "leaf") == sorted([LEAF[0], renamed[0]])
    for wheel in (LEAF, renamed):
        assert mirror.file_path(bundled(wheel)).read_bytes() == LEAF[1]
    _assert_untouched_by_failure(mirror, _filed(LEAF, renamed))


def test_a_wheel_that_went_away_meanwhile_is_named(mirror: Mirror) -> None:
    with pytest.raises(IncompleteError, match=r"leaf-2\.0-py3-none-any\.whl is missing"):
        file_wheels(mirror, [bundled(LEAF)], ignore)
    _assert_untouched_by_failure(mirror, set())


def test_a_mirror_without_files_has_pages(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, []), ignore)
    assert (mirror.simple / "index.html").is_file()
