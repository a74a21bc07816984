from __future__ import annotations

import json
from typing import Any

import pytest
from packaging.utils import NormalizedName

from bundler.mirror.web import front
from bundler.mirror.web.front import front_pages
from bundler.mirror.web.record import Entry
from tests.fakes.html import Reader


def _entry(name: str, **changes: Any) -> Entry:
    said: dict[str, Any] = {
        "name": NormalizedName(name),
        "version": "1.0",
        "summary": "",
        "attested": False,
        "files": {},
        "arrivals": {},
    }
    return Entry(**{**said, **changes})


def test_few_projects_are_on_the_first_page() -> None:
    pages = front_pages([_entry("a", attested=True), _entry("b", summary="<b>")], [])
    assert sorted(pages) == ["index.html", "web/projects.js"]
    page = Reader.of(pages["index.html"].decode())
    assert "a 1.0 attested" in page.text
    assert "b 1.0<b>" in page.text
    assert {"href": "web/project/b.html"} in page.all("a")


def test_many_projects_are_on_pages_by_initial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "MOST_ON_FRONT", 2)
    pages = front_pages([_entry("0x"), _entry("ab"), _entry("ac")], [])
    assert sorted(pages) == ["index.html", "web/list-0.html", "web/list-a.html", "web/projects.js"]
    page = Reader.of(pages["index.html"].decode())
    assert "a 2 projects" in page.text
    assert {"href": "web/list-a.html"} in page.all("a")
    assert {"href": "web/project/ab.html"} not in page.all("a")
    assert {"href": "project/ab.html"} in Reader.of(pages["web/list-a.html"].decode()).all("a")


@pytest.mark.parametrize("summary", ["</script>", "\u2028", "\\", '"', "'", "\ud800"])
def test_the_search_reads_data_and_no_code(summary: str) -> None:
    data = front_pages([_entry("a", summary=summary)], [])["web/projects.js"]
    assert data.isascii()
    begin, end = b"globalThis.projects = ", b";\n"
    assert data.startswith(begin)
    assert json.loads(data.removeprefix(begin).removesuffix(end)) == [["a", "1.0", summary, 0]]
