from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import NormalizedName
from pypi_simple import ProjectPage

from bundler.archive.store import BlobStore
from bundler.errors import BundlerError, DamagedError, IncompleteError, RefusedError
from bundler.events import Advanced, Event, Finished, Noticed, Started, ignore
from bundler.mirror import publish as publish_module
from bundler.mirror.filing import file_wheels
from bundler.mirror.fresh import Fresh, fresh
from bundler.mirror.generations import live, make_live
from bundler.mirror.layout import Mirror, metadata_path
from bundler.mirror.publish import Published, publish
from bundler.model.artifact import Blob
from bundler.model.manifest import VerifiedManifest
from bundler.wheel.fault import WheelError
from tests.fakes.mirrors import Wheel, blob_of, bundled, deliver, documents_of, tree
from tests.fakes.wheels import build_wheel

DEMO = build_wheel("demo", "1.0", requires=["leaf"])
LEAF = build_wheel("leaf", "2.0", requires_python=">=3.8")
_DEMO = NormalizedName("demo")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.create(tmp_path)


def _page(mirror: Mirror, name: str) -> ProjectPage:
    path = mirror.simple / name / "index.html"
    return ProjectPage.from_html(name, path.read_text(), "https://example.org/simple/x/")


def _names(mirror: Mirror, name: str) -> list[str]:
    return [package.filename for package in _page(mirror, name).packages]


def _generations(mirror: Mirror) -> list[str]:
    return sorted(path.name for path in mirror.generations.iterdir())


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
        Finished("check wheels", "2 new"),
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


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_what_is_served_can_be_read_by_all_and_nothing_else_under_any_umask(
    tmp_path: Path, umask: int
) -> None:
    old = os.umask(umask)
    try:
        mirror = Mirror.create(tmp_path / "mirror")
        publish(mirror, deliver(mirror, [DEMO]), ignore)
        publish(mirror, deliver(mirror, [DEMO, LEAF], sequence=2), ignore)
    finally:
        os.umask(old)
    served = [mirror.files, mirror.generations]
    for path in [mirror.root, mirror.state, *served, *(p for s in served for p in s.rglob("*"))]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
    for path in [mirror.store.root, *mirror.store.root.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


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
    assert _generations(mirror) == ["000001", "000002"]
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


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_the_strictest_stream_decides_whatever_it_says_of_its_age(
    mirror: Mirror, first: str, second: str
) -> None:
    name, yanked = NormalizedName("leaf"), bundled(LEAF, yanked="broken")
    strict = replace(documents_of([yanked])[name], status="quarantined", status_reason="bad")
    lax = replace(documents_of([bundled(LEAF)])[name], status="archived", status_reason="fine")
    publish(mirror, deliver(mirror, [LEAF], [strict], stream=first), ignore)
    newer = deliver(mirror, [LEAF], [lax], stream=second, created="9999-12-31T23:59:59Z")
    publish(mirror, newer, ignore)
    page = _page(mirror, "leaf")
    assert page.packages[0].yanked_reason == "broken"
    assert (page.status, page.status_reason) == ("quarantined", "bad")


@pytest.mark.parametrize(
    ("status", "other", "shown"),
    [
        ("active", "archived", "archived"),
        ("deprecated", "archived", "deprecated"),
        ("quarantined", "deprecated", "quarantined"),
        ("quarantined", "forbidden", "forbidden"),
    ],
)
def test_statuses_by_strictness(mirror: Mirror, status: str, other: str, shown: str) -> None:
    document = documents_of([bundled(LEAF)])[NormalizedName("leaf")]
    for stream, found in (("a", status), ("b", other)):
        documents = [replace(document, status=found)]
        publish(mirror, deliver(mirror, [LEAF], documents, stream=stream), ignore)
    html = (mirror.simple / "leaf" / "index.html").read_text()
    assert f'<meta name="pypi:project-status" content="{shown}">' in html


def test_streams_that_disagree_on_requires_python_are_refused(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    other = documents_of([bundled(LEAF, requires_python=">=3.8")])
    manifest = deliver(mirror, [LEAF], other.values(), stream="ml")
    with pytest.raises(RefusedError) as refused:
        publish(mirror, manifest, ignore)
    assert refused.value.message == (
        f"{LEAF[0]} requires Python None in stream web and '>=3.8' in stream ml"
    )


@pytest.mark.parametrize("filed", [False, True])
def test_requires_python_that_is_not_the_wheels_is_refused(mirror: Mirror, *, filed: bool) -> None:
    """Else an installer inside would skip a wheel that it could use, or take one that it cannot."""
    if filed:
        publish(mirror, deliver(mirror, [LEAF]), ignore)
    lying = documents_of([bundled(LEAF, requires_python="<3")])
    with pytest.raises(WheelError, match="<3"):
        publish(mirror, deliver(mirror, [LEAF], lying.values(), sequence=2), ignore)


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


OTHER_LEAF = ("Leaf-2.0-py3-none-any.whl", build_wheel("leaf", "2.0", files={"x.py": b""})[1])


@pytest.mark.parametrize("streams", [("web", "ml"), ("web", "web")])
def test_one_wheel_under_two_spellings_with_two_contents_is_refused(
    mirror: Mirror, streams: tuple[str, str]
) -> None:
    first, second = streams
    if first != second:
        publish(mirror, deliver(mirror, [LEAF]), ignore)
        manifest = deliver(mirror, [OTHER_LEAF], stream=second)
    else:
        manifest = deliver(mirror, [LEAF, OTHER_LEAF])
    with pytest.raises(RefusedError) as refused:
        publish(mirror, manifest, ignore)
    for name, data in (LEAF, OTHER_LEAF):
        assert f"{name} is {blob_of(data).sha256} in stream" in refused.value.message


def test_one_wheel_under_two_spellings_is_shown_once_and_filed_twice(mirror: Mirror) -> None:
    capital, plain = (OTHER_LEAF[0], LEAF[1]), bundled(LEAF, yanked="broken")
    documents = documents_of([bundled(capital), plain])
    publish(mirror, deliver(mirror, [LEAF], documents.values()), ignore)
    assert _names(mirror, "leaf") == [capital[0]]
    assert _page(mirror, "leaf").packages[0].is_yanked
    _assert_untouched_by_failure(mirror, _filed(LEAF, capital))


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
        "sequence 1 of web is not complete, missing are the document of leaf, the profile,"
        f" {DEMO[0]}"
    )
    assert tree(mirror) == before


def test_a_single_missing_lock_is_named(mirror: Mirror) -> None:
    manifest = deliver(mirror, [LEAF])
    mirror.store.path(manifest.locks["pylock.cp312-linux.toml"].sha256).unlink()
    with pytest.raises(IncompleteError, match=r"missing is the lock 'pylock\.cp312-linux\.toml'$"):
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
    before = "the document of leaf in sequence 1 of web was damaged on this disk, and removed"
    with pytest.raises(DamagedError, match=before) as damaged:
        publish(mirror, manifest, ignore)
    assert damaged.value.hint == "unpack the newest bundle of web again, it brings this document"
    # Unpacking again brings it now, and all is well.
    deliver(mirror, [LEAF])
    assert publish(mirror, manifest, ignore).changed


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
    assert first.startswith("cheat-1.0-py3-none-any.whl: does not end with the end of a zip")
    assert second.startswith("liar-1.0-py3-none-any.whl: its METADATA says 'other'")
    assert third.startswith("wrong-1.0-py3-none-any.whl: its METADATA is not the one")
    _assert_untouched_by_failure(mirror, _filed(LEAF))
    assert _names(mirror, "leaf") == [LEAF[0]]
    assert mirror.store.has(blob_of(DEMO[1]))


def test_a_filename_that_could_leave_the_folder_is_refused(mirror: Mirror) -> None:
    evil = replace(bundled(LEAF), filename="leaf-2.0-py3-none-x/y.whl")
    document = replace(documents_of([bundled(LEAF)])[NormalizedName("leaf")], files=(evil,))
    manifest = deliver(mirror, [LEAF], [document])
    with pytest.raises(RefusedError, match="is no name for a wheel"):
        publish(mirror, manifest, ignore)
    _assert_untouched_by_failure(mirror, set())


@pytest.mark.parametrize(
    "step", ["write_pages", "sync_filesystem", "sync_folder", "link_pages", "make_live"]
)
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
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "full", str(folder))

    publish(mirror, deliver(mirror, [LEAF]), ignore)
    second = deliver(mirror, [LEAF], sequence=2)
    monkeypatch.setattr(publish_module, "sync_filesystem", full)
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
    assert publish(mirror, deliver(mirror, [LEAF]), ignore).changed
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


def _fresh(mirror: Mirror, wheel: Wheel) -> Fresh:
    found = fresh(mirror, bundled(wheel))
    assert found
    return found


def test_a_wheel_that_went_away_meanwhile_is_named(mirror: Mirror) -> None:
    with pytest.raises(IncompleteError, match=r"leaf-2\.0-py3-none-any\.whl is missing"):
        file_wheels(mirror, [_fresh(mirror, LEAF)], ignore)
    _assert_untouched_by_failure(mirror, set())


def test_a_mirror_without_files_has_pages(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, []), ignore)
    assert (mirror.simple / "index.html").is_file()


# What rots or is lost, and comes back when the same bundle is unpacked again.


def _rot(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[45] ^= 0xFF
    path.write_bytes(data)


def test_a_rotten_blob_in_the_store_never_goes_live(mirror: Mirror) -> None:
    renamed = (LEAF[0].replace("-py3", "-1-py3"), LEAF[1])
    manifest = deliver(mirror, [LEAF, renamed, DEMO])
    rotten = mirror.store.path(blob_of(LEAF[1]).sha256)
    _rot(rotten)
    with pytest.raises(DamagedError) as damaged:
        publish(mirror, manifest, ignore)
    assert damaged.value.message == f"damaged on this disk, and removed:\n{rotten}"
    assert damaged.value.hint
    assert "run the command again" in damaged.value.hint
    _assert_untouched_by_failure(mirror, set())
    assert not mirror.has(blob_of(LEAF[1]))
    deliver(mirror, [LEAF])
    assert publish(mirror, manifest, ignore).new_files == 3
    assert mirror.file_path(bundled(LEAF)).read_bytes() == LEAF[1]


def test_a_rotten_filed_wheel_gets_no_second_name(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    filed = mirror.file_path(bundled(LEAF))
    _rot(filed)
    metadata_path(filed).unlink()
    with pytest.raises(DamagedError, match="damaged on this disk, and removed"):
        publish(mirror, deliver(mirror, [LEAF]), ignore)
    assert not filed.exists()
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    assert filed.read_bytes() == LEAF[1]
    assert metadata_path(filed).exists()


@pytest.mark.parametrize("lost", ["wheel", "metadata", "shortened metadata", "shortened wheel"])
def test_what_was_lost_of_the_live_sequence_is_filed_again(mirror: Mirror, lost: str) -> None:
    manifest = deliver(mirror, [DEMO, LEAF])
    publish(mirror, manifest, ignore)
    wheel = mirror.file_path(bundled(LEAF))
    before = {path: path.read_bytes() for path in wheel.parent.iterdir()}
    path = wheel if lost.endswith("wheel") else metadata_path(wheel)
    if lost.startswith("shortened"):
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    published = publish(mirror, deliver(mirror, [DEMO, LEAF]), ignore)
    assert (published.changed, published.generation, published.new_files) == (True, 1, 1)
    assert {path: path.read_bytes() for path in wheel.parent.iterdir()} == before
    assert not publish(mirror, manifest, ignore).changed


def test_a_second_name_takes_the_place_of_a_shortened_file(mirror: Mirror) -> None:
    renamed = (LEAF[0].replace("-py3", "-1-py3"), LEAF[1])
    manifest = deliver(mirror, [LEAF, renamed])
    publish(mirror, manifest, ignore)
    second = mirror.file_path(bundled(renamed))
    second.unlink()
    second.write_bytes(b"short")
    assert publish(mirror, manifest, ignore).new_files == 1
    assert second.read_bytes() == LEAF[1]


def test_a_lost_wheel_that_no_bundle_brought_is_named(mirror: Mirror) -> None:
    manifest = deliver(mirror, [LEAF])
    publish(mirror, manifest, ignore)
    mirror.file_path(bundled(LEAF)).unlink()
    with pytest.raises(IncompleteError, match=r"missing is leaf-2\.0-py3-none-any\.whl$"):
        publish(mirror, manifest, ignore)


@pytest.mark.parametrize("part", ["", "simple", "simple/leaf", "simple/index.v1_json"])
def test_a_lost_part_of_the_live_generation_is_published_anew(mirror: Mirror, part: str) -> None:
    manifest = deliver(mirror, [LEAF])
    publish(mirror, manifest, ignore)
    path = mirror.generations / "000001" / part
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    published = publish(mirror, manifest, ignore)
    assert (published.changed, published.generation) == (True, 2)
    assert _names(mirror, "leaf") == [LEAF[0]]


@pytest.mark.parametrize("damage", [None, b"{}"])
def test_a_live_record_that_is_not_readable_does_not_stop_a_publication(
    mirror: Mirror, damage: bytes | None
) -> None:
    streams = [deliver(mirror, [LEAF]), deliver(mirror, [DEMO], stream="ml")]
    for manifest in streams:
        publish(mirror, manifest, ignore)
    record = mirror.generations / "000002" / "generation.json"
    record.unlink()
    if damage:
        record.write_bytes(damage)
    events: list[Event] = []
    assert publish(mirror, streams[0], events.append).generation == 3
    notice = next(event for event in events if isinstance(event, Noticed))
    assert str(record) in notice.message
    assert "come back when their newest bundles are unpacked again" in notice.message
    publish(mirror, streams[1], ignore)
    shown = live(mirror)
    assert shown
    assert sorted(shown.streams) == ["ml", "web"]


@pytest.mark.parametrize("rotten", [False, True])
def test_a_lost_manifest_of_another_stream_is_named_and_comes_back(
    mirror: Mirror, *, rotten: bool
) -> None:
    web, other = deliver(mirror, [LEAF]), deliver(mirror, [DEMO], stream="ml")
    publish(mirror, web, ignore)
    path = mirror.store.path(blob_of(web.to_bytes()).sha256)
    if rotten:
        _rot(path)
    else:
        path.unlink()
    wanted = DamagedError if rotten else IncompleteError
    with pytest.raises(wanted, match=r"the manifest of web (is missing|was damaged)") as caught:
        publish(mirror, other, ignore)
    assert caught.value.hint == "unpack the newest bundle of web again, it brings this document"
    publish(mirror, web, ignore)
    assert path.read_bytes() == web.to_bytes()
    publish(mirror, other, ignore)
    assert _names(mirror, "demo") == [DEMO[0]]


def test_a_rotten_manifest_of_its_own_is_put_again(mirror: Mirror) -> None:
    manifest = deliver(mirror, [LEAF])
    publish(mirror, manifest, ignore)
    path = mirror.store.path(blob_of(manifest.to_bytes()).sha256)
    _rot(path)
    publish(mirror, manifest, ignore)
    assert path.read_bytes() == manifest.to_bytes()


def test_a_kill_while_filing_leaves_nothing_among_the_files(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, seen = deliver(mirror, [LEAF]), list[Path]()
    real = os.fsync

    def look(descriptor: int) -> None:
        seen.extend(mirror.files.rglob(".*"))
        seen.extend(path for path in mirror.files.rglob("*.metadata") if not path.stat().st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    publish(mirror, manifest, ignore)
    assert seen == []


def test_a_generation_that_was_never_shown_is_no_history(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    never = mirror.generations / "000002"
    (never / "simple").mkdir(parents=True)
    (never / "mark").touch()
    published = publish(mirror, deliver(mirror, [DEMO], sequence=2), ignore)
    assert published.generation == 2
    assert _generations(mirror) == ["000001", "000002"]
    assert not (never / "mark").exists()


def test_names_in_the_store_are_safe_on_disk_before_pages_go_live(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, synced = deliver(mirror, [LEAF]), list[Path]()

    def note(folder: Path) -> None:
        for blob in [*manifest.blobs(), blob_of(manifest.to_bytes())]:
            assert mirror.store.has(blob)
        assert (folder / "generation.json").is_file()
        synced.append(folder)

    def check(mirror: Mirror, number: int) -> None:
        assert len(synced) == 1
        assert synced[0].parent == mirror.generations
        make_live(mirror, number)

    monkeypatch.setattr(publish_module, "sync_filesystem", note)
    monkeypatch.setattr(publish_module, "make_live", check)
    assert publish(mirror, manifest, ignore).changed


def test_folders_that_cannot_be_renamed_between_are_explained(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path, _target: Path) -> Path:
        raise OSError(errno.EXDEV, "a mount inside")

    manifest = deliver(mirror, [LEAF])
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(BundlerError, match="a mount inside") as caught:
        publish(mirror, manifest, ignore)
    assert caught.value.hint
    assert "must lie on one filesystem" in caught.value.hint


def test_each_document_that_is_new_is_read_once_before_pages_are_written(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    manifest, read = deliver(mirror, [DEMO, LEAF], sequence=2), list[Blob]()
    real = BlobStore.read

    def note(self: BlobStore, blob: Blob, limit: int) -> bytes:
        read.append(blob)
        return real(self, blob, limit)

    monkeypatch.setattr(BlobStore, "read", note)
    publish(mirror, manifest, ignore)
    (former,) = {manifest.to_bytes() for manifest in [deliver(mirror, [LEAF])]}
    assert sorted(read) == sorted([blob_of(former), *[manifest.projects[_DEMO]] * 2])
