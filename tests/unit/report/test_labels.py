from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from bundler.model.volume_set import Base, VolumeSet, VolumeSummary
from bundler.report.labels import label_sheet
from bundler.report.text import short_digest
from tests.fakes.trust import digest, make_index, make_manifest, make_set

MANIFEST = make_manifest(sequence=7)
INDEXES = [make_index(MANIFEST, {}, number, 2) for number in (1, 2)]
SET = make_set(MANIFEST, INDEXES)


class Texts(HTMLParser):
    """What is read on the page, label by label."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.labels: list[str] = []
        self.tags: set[str] = set()
        self._inside = False
        self.feed(page.decode())

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "li":
            self.labels.append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "li":
            self._inside = False
        elif self._inside and tag == "p":
            self.labels[-1] += "|"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.labels[-1] += data


def labels(volumes: VolumeSet) -> list[str]:
    return Texts(label_sheet(volumes, INDEXES, MANIFEST.created)).labels


def test_a_label_for_each_volume() -> None:
    assert labels(SET) == [
        f"web sequence 7|volume {number} of 2|complete, 150 B, 2026-01-31|"
        f"{short_digest(index.to_bytes())}|"
        for number, index in enumerate(INDEXES, start=1)
    ]
    assert short_digest(b"") == "e3b0 c442 98fc 1c14"


def test_what_a_set_is_to_the_far_side() -> None:
    delta = replace(SET, kind="delta", base=Base(5, digest(b"five")))
    assert all("|on sequence 5, 150 B" in label for label in labels(delta))
    assert all("|sent again, 150 B" in label for label in labels(replace(SET, kind="resend")))


def test_parity_is_told() -> None:
    parity = VolumeSummary(size=150, parity=True, projects=())
    first, second = labels(replace(SET, volumes=(SET.volumes[0], parity)))
    assert "|volume 1 of 2|" in first
    assert "|volume 2 of 2 (parity)|" in second


def test_the_page_needs_nothing_else() -> None:
    page = label_sheet(SET, INDEXES, "2026")
    assert page.startswith(b"<!DOCTYPE html>")
    assert not {"script", "link", "img"} & Texts(page).tags
    assert b"http" not in page
    assert page == label_sheet(SET, INDEXES, "2026")
