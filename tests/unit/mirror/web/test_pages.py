"""What the pages say, without a browser."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.utils import NormalizedName

from bundler.events import Event, Noticed, ignore
from bundler.mirror.generations import live
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import publish
from bundler.mirror.web import inside as inside_module
from bundler.mirror.web.frame import POLICY
from bundler.mirror.web.source import source_commit
from bundler.mirror.web.status import read_dates
from bundler.mirror.web.view import newest, releases
from bundler.mirror.web.write import renew_pages
from bundler.model.manifest import VerifiedManifest
from bundler.model.verdict import ABSENT
from bundler.trust.gate import admit, anchor_from_root, commit, pin
from tests.fakes.attestations import keyed, provenance, statement
from tests.fakes.fulcio import new_key
from tests.fakes.gallery import HOSTILE, LEAF, NEW, PLAIN, Shown, gallery, wheel_with_readme
from tests.fakes.html import Reader
from tests.fakes.mirrors import blob_of, bundled, deliver, documents_of, tree
from tests.fakes.trust import make_stream
from tests.fakes.wheels import build_wheel


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return gallery(tmp_path_factory.mktemp("gallery") / "mirror")


def _page(mirror: Mirror, name: str) -> Reader:
    return Reader.of((mirror.web / "project" / f"{name}.html").read_text())


def test_a_project_shows_who_built_it_and_from_what(shown: Shown) -> None:
    text = _page(shown.mirror, "fastnum").text
    assert "In part verified: 1 of 2 files of 2.0 attested" in text
    for words in ("Built byGitHub", "Repositoryexample/fastnum", "Workflowrelease.yml"):
        assert words in text
    assert f"Source commit{'ab' * 20}" in text
    assert "Signed2026-01-31 12:00:00 UTC" in text
    assert "Nobody has attested where 1.5 comes from." in _page(shown.mirror, "leaf").text


def test_a_project_shows_what_is_there_and_why(shown: Shown) -> None:
    page = _page(shown.mirror, "fastnum")
    assert "1.0 (yanked)wheel-" in page.text
    assert "2.0wheelwheel" in page.text
    assert 'loses <data> & "more"' in page.text
    assert "rebuilt, passed through" in page.text
    assert "1 native library, 1 covered by an SBOM; 1 SBOM" in page.text
    assert "extension (elf)x86_64libc.so.6fastnum-2.0.dist-info/sboms/x.cdx.json" in page.text
    assert "The profile of web asks for it" in page.text
    assert "Fast numbers" in page.text
    digest = blob_of(NEW[1]).sha256
    assert f"../../files/{digest[:2]}/{digest}/{NEW[0]}" in [a["href"] for a in page.all("a")]
    leaf = _page(shown.mirror, "leaf")
    assert "fastnum needs it, in ml" in leaf.text
    assert "fastnum needs it, in web" in leaf.text
    assert {"href": "fastnum.html"} in leaf.all("a")


def test_a_project_shows_what_came_when(shown: Shown) -> None:
    text = _page(shown.mirror, "fastnum").text
    came = text[text.index("What came with which sequence") :]
    assert came.index("fastnum-3.0rc1") < came.index("1fastnum-1.0-cp312")
    leaf = _page(shown.mirror, "leaf").text
    assert f"Files from the stream mlSequenceFiles7{LEAF[0]}" in leaf
    assert f"Files from the stream webSequenceFiles1{LEAF[0]}" in leaf


def test_the_first_page_lists_projects_and_streams(shown: Shown) -> None:
    page = Reader.of((shown.mirror.root / "index.html").read_text())
    assert "4 projects" in page.text
    assert "fastnum 2.0Arrays that are fast" in page.text
    assert "web22026-01-31 12:00:00 UTC4not known yet" in page.text
    assert {"href": "web/project/plain-source.html"} in page.all("a")
    rows = json.loads(
        (shown.mirror.web / "projects.js").read_text().split("= ", 1)[1].removesuffix(";\n")
    )
    assert ["leaf", "1.5", "A leaf", 0] in rows


def test_every_page_has_the_policy_and_no_code_of_its_own(shown: Shown) -> None:
    folder = shown.mirror.web.resolve().parent
    pages = [folder / "index.html", *(folder / "web").rglob("*.html")]
    assert len(pages) == 6
    for path in pages:
        page = Reader.of(path.read_text())
        assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in page.all("meta")
        assert page.all("style") == []
        assert all(script["src"] for script in page.all("script"))
        for tag, attributes in page.tags:
            assert not any(name.startswith("on") or name == "style" for name in attributes), tag


def test_a_source_distribution_speaks_for_itself_too(shown: Shown) -> None:
    page = _page(shown.mirror, "plain-source")
    assert "plain-source 0.1" in page.text
    assert f"source {PLAIN[0]}" in [a.get("aria-label") for a in page.all("a")]


def test_a_hostile_project_is_named_as_the_index_does(shown: Shown) -> None:
    page = _page(shown.mirror, "hostile")
    assert "The index calls this project quarantined: </p><script>" in page.text
    assert "Every release here was yanked by its authors." in page.text
    assert page.all("script") == [{"src": "../../web/page.js", "defer": None}]
    assert HOSTILE[0] in page.text


def test_what_is_listed_of_the_inside_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside_module, "MOST", 0)
    text = _page(gallery(tmp_path / "mirror").mirror, "fastnum").text
    assert "One more native library is not listed here." in text


def test_the_release_that_is_shown_first() -> None:
    def chosen(*versions: str) -> str:
        wheels = [build_wheel("demo", version.rstrip("y")) for version in versions]
        yanked = ["" if version.endswith("y") else None for version in versions]
        files = [bundled(each, yanked=why) for each, why in zip(wheels, yanked, strict=True)]
        return str(newest(releases(files))[0])

    assert chosen("1.0", "2.0rc1", "1.5") == "1.5"
    assert chosen("1.0rc1", "2.0rc1") == "2.0rc1"
    assert chosen("1.0", "0.9") == "1.0"
    assert chosen("2.0y", "1.0") == "1.0"
    assert chosen("2.0y", "1.0y") == "2.0"


def test_a_project_without_metadata_beside_it_is_shown_all_the_same(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    wheel = wheel_with_readme("demo", "1.0", "Summary: Gone")
    publish(mirror, deliver(mirror, [wheel]), ignore)
    assert "Gone" in _page(mirror, "demo").text
    mirror.file_path(bundled(wheel)).with_suffix(".whl.metadata").unlink()
    document = documents_of([bundled(wheel, yanked="x", metadata=blob_of(b"").sha256)])
    mirror.file_path(bundled(wheel)).with_suffix(".whl.metadata").write_bytes(b"")
    publish(mirror, deliver(mirror, [wheel], document.values(), sequence=2), ignore)
    assert "Gone" not in _page(mirror, "demo").text


def test_no_commit_but_that_of_who_was_verified(shown: Shown) -> None:
    blob, verdict = shown.attested.provenance, shown.attested.verdict
    assert blob
    document = shown.mirror.store.read(blob, blob.size)
    assert source_commit(document, verdict) == "ab" * 20
    assert source_commit(document, ABSENT) is None
    assert source_commit(b"{}", verdict) is None
    signed = keyed(new_key(), statement("x", "0"))
    assert source_commit(provenance(None, signed), verdict) is None


def test_dates_are_shown_once_the_gate_knows_them(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path / "mirror")
    stream = make_stream(tmp_path / "home")
    manifest = deliver(mirror, [LEAF], sequence=1)
    head = stream.head(manifest)
    pin(stream.root, mirror.trust)
    admission = admit(head, anchor_from_root(stream.root))
    publish(mirror, VerifiedManifest(manifest), ignore)
    assert read_dates(mirror, manifest) == {}
    assert "not known yet" in (mirror.root / "index.html").read_text()
    renew_pages(mirror)
    commit(admission, mirror.trust)
    dates = read_dates(mirror, manifest)
    assert dates["targets"] == admission.expires["targets"]
    assert dates["timestamp"] - admission.expires["timestamp"] <= timedelta(0)
    renew_pages(mirror)
    assert "not known yet" not in (mirror.root / "index.html").read_text()
    assert "The officers must renew the root by" in (mirror.web / "status.html").read_text()
    before = tree(mirror)
    renew_pages(mirror)
    assert tree(mirror) == before
    assert read_dates(mirror, replace(manifest, sequence=2)) == {}


def test_there_is_nothing_to_renew_before_the_first_sequence_or_in_pages_of_others(
    tmp_path: Path,
) -> None:
    mirror = Mirror.create(tmp_path)
    renew_pages(mirror)
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    (mirror.root / "index.html").resolve().write_text("other")
    record = mirror.web.resolve().parent / "web.jsonl"
    record.write_text(record.read_text().replace('"makers":"', '"makers":"0'))
    renew_pages(mirror)
    assert (mirror.root / "index.html").read_text() == "other"


@pytest.mark.parametrize("name", ["index.html", "web"])
def test_a_file_of_another_program_is_not_replaced(tmp_path: Path, name: str) -> None:
    mirror = Mirror.create(tmp_path)
    (mirror.root / name).write_text("mine")
    events: list[Event] = []
    publish(mirror, deliver(mirror, [LEAF]), events.append)
    said = "is not the link that this program makes, so pages for people are not seen there"
    assert Noticed(f"{mirror.root / name} {said}") in events
    assert (mirror.root / name).read_text() == "mine"
    assert live(mirror)


def test_links_that_were_lost_come_back(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    publish(mirror, deliver(mirror, [LEAF]), ignore)
    mirror.front.unlink()
    mirror.web.unlink()
    (tmp_path / ".bundler/generations/000001/index.html").unlink()
    assert publish(mirror, deliver(mirror, [LEAF]), ignore).generation == 2
    mirror.front.unlink()
    assert not publish(mirror, deliver(mirror, [LEAF]), ignore).changed
    assert "A leaf" in mirror.front.read_text()


def test_a_stream_without_a_look_inside_is_shown(shown: Shown) -> None:
    text = Reader.of((shown.mirror.web / "status.html").read_text()).text
    assert "Native libraries1, 1 of them covered by an SBOM" in text
    assert text.index("Stream ml") < text.index("Stream web")
    assert NormalizedName("leaf") in shown.manifest.projects
