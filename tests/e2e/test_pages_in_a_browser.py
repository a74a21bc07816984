"""The pages for people in real Chromium: from a web server, and from disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import publish
from bundler.mirror.web.front import MOST_ON_FRONT
from tests.fakes.browser import Watched, any_web_server, chromium
from tests.fakes.gallery import NEW, Shown, gallery, wheel_with_readme
from tests.fakes.mirrors import bundled, deliver, documents_of

PAGES = ("index.html", "web/status.html", "web/project/fastnum.html", "web/project/hostile.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return gallery(tmp_path_factory.mktemp("gallery") / "mirror")


@pytest.fixture(scope="module", params=["http", "file"])
def base(request: pytest.FixtureRequest, shown: Shown) -> Iterator[str]:
    root = shown.mirror.root
    if request.param == "file":
        yield f"{root.as_uri()}/"
    else:
        with any_web_server(root) as url:
            yield url


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    with browser.new_context() as context:
        yield Watched(context.new_page())


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_asks_nobody_else(watched: Watched, base: str, path: str) -> None:
    watched.page.goto(base + path)
    assert watched.page.title().endswith(" · package mirror")
    assert watched.complaints == []
    assert {f"{base}web/style.css", f"{base}web/page.js"} < set(watched.requests)
    assert all(url.startswith(base) for url in watched.requests)
    assert watched.page.evaluate("getComputedStyle(document.body).marginTop") == "0px"


def test_hostile_texts_run_nothing_and_load_nothing(watched: Watched, base: str) -> None:
    page = watched.page
    page.goto(f"{base}web/project/hostile.html")
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    for link in page.locator(".readme a").all():
        link.dispatch_event("mouseover")
    page.wait_for_timeout(300)
    assert page.title() == "hostile · package mirror"
    allowed = {f"{base}web/{name}" for name in ("project/hostile.html", "style.css", "page.js")}
    assert set(watched.requests) == allowed
    assert watched.complaints == []
    assert page.locator("main img, main script, main style, main iframe, main form").count() == 0
    assert page.locator("main svg, main object, main embed, main video, main base").count() == 0
    assert page.locator(".readme [class], .readme [style], .readme #main").count() == 0
    hrefs = page.locator("main a[href]").evaluate_all("all => all.map(each => each.href)")
    assert hrefs
    ours = (base, "https://evil.example.org/link", "https://evil.example.org/plain")
    assert all(href.startswith(ours) for href in hrefs), hrefs
    assert "\u202e" not in page.content()
    assert page.locator(".badge.verified").count() == 0


def test_a_script_that_stood_in_a_page_would_not_run(
    watched: Watched, base: str, shown: Shown
) -> None:
    # The second line of defence: the page's own policy, should an escape ever be forgotten.
    path = shown.mirror.web.resolve() / "project" / "forgotten.html"
    text = (shown.mirror.web / "project" / "hostile.html").read_text()
    evil = "<script>document.title='owned'</script><img src='https://evil.example.org/x'>"
    path.write_text(text.replace("<h1>", f"{evil}<h1 onclick=\"document.title='owned'\">"))
    watched.page.goto(f"{base}web/project/forgotten.html")
    watched.page.locator("h1").click()
    path.unlink()
    assert watched.page.title() == "hostile · package mirror"
    assert watched.stopped == ["https://evil.example.org/x"]
    assert len(watched.complaints) == 3
    assert all("Content Security Policy" in each for each in watched.complaints)


def test_search_finds_by_name_and_by_summary(watched: Watched, base: str) -> None:
    page = watched.page
    page.goto(f"{base}index.html")
    page.get_by_role("searchbox").fill("Plain_Source")
    found = page.locator("#found li")
    assert found.locator("a").all_inner_texts() == ["plain-source"]
    assert page.get_by_role("status").inner_text() == "1 project found"
    assert not page.locator("#projects").is_visible()
    page.get_by_role("searchbox").fill("arrays fast")
    assert found.locator("a").all_inner_texts() == ["fastnum"]
    page.get_by_role("searchbox").fill("document.title")  # in the summary of the hostile one
    assert found.locator("a").all_inner_texts() == ["hostile"]
    assert page.locator("#found script").count() == 0
    page.get_by_role("searchbox").fill("")
    assert page.locator("#projects").is_visible()
    page.get_by_role("searchbox").fill("leaf")
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url(f"{base}web/project/leaf.html")
    assert watched.complaints == []


def test_lines_to_copy_name_this_mirror(watched: Watched, base: str) -> None:
    watched.page.goto(f"{base}web/project/fastnum.html")
    lines = watched.page.locator("[data-copy]").all_inner_texts()
    assert lines[0] == f"python -m pip install --index-url {base}simple/ fastnum==2.0"
    assert lines[1] == f"uv pip install --default-index {base}simple/ fastnum==2.0"
    buttons = watched.page.get_by_role("button", name="Copy: pip")
    buttons.focus()
    watched.page.keyboard.press("Enter")
    watched.page.get_by_text("Copied").or_(watched.page.get_by_text("Marked")).wait_for()


def test_without_javascript_everything_is_there(browser: Browser, base: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{base}index.html")
        assert not page.get_by_role("searchbox").is_visible()
        page.get_by_role("link", name="fastnum").click()
        assert "pip install fastnum==2.0" in page.locator("#install").inner_text()
        assert page.locator("#readme h3").first.inner_text() == "Fast numbers"
        href = page.get_by_role("link", name=f"wheel {NEW[0]}").get_attribute("href")
        assert href
        page.get_by_role("link", name="Status").click()
        assert "web" in page.locator("h2").all_inner_texts()[-1]


def test_a_link_to_a_wheel_leads_to_it(browser: Browser, shown: Shown) -> None:
    with any_web_server(shown.mirror.root) as url, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{url}web/project/fastnum.html")
        href = page.get_by_role("link", name=f"wheel {NEW[0]}").evaluate("each => each.href")
        assert context.request.get(href).body() == NEW[1]


def test_late_dates_are_told(browser: Browser, tmp_path: Path, shown: Shown) -> None:
    text = (shown.mirror.web / "status.html").read_text()
    moment = '<span class="until"><time datetime="2026-01-01T00:00:00Z">then</time></span>'
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "status.html").write_text(text.replace("<h1>", f"{moment}<h1>"))
    (tmp_path / "web" / "page.js").write_bytes((shown.mirror.web / "page.js").read_bytes())
    with browser.new_context() as context:
        page = context.new_page()
        page.clock.set_fixed_time("2025-12-28T00:00:00Z")
        page.goto((tmp_path / "web" / "status.html").as_uri())
        assert page.locator(".late").inner_text().strip() == "(soon: in 4 days)"
        page.clock.set_fixed_time("2026-01-03T00:00:00Z")
        page.reload()
        assert page.locator(".late").inner_text().strip() == "(expired 2 days ago)"


def _unfold(page: Page) -> None:
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")


def _violations(page: Page) -> list[tuple[str, Any]]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(each["id"], json.dumps([node["html"] for node in each["nodes"]])) for each in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_an_accessibility_checker_has_no_complaint(
    browser: Browser, shown: Shown, path: str, scheme: Any
) -> None:
    # The checker is a script that is put into the page, which the page's policy forbids.
    options: dict[str, Any] = {"color_scheme": scheme, "bypass_csp": True}
    with any_web_server(shown.mirror.root) as url, browser.new_context(**options) as context:
        page = context.new_page()
        page.goto(url + path)
        _unfold(page)
        assert _violations(page) == []


def test_the_keyboard_reaches_the_content_first(watched: Watched, base: str) -> None:
    watched.page.goto(f"{base}index.html")
    watched.page.keyboard.press("Tab")
    focused = watched.page.locator(":focus")
    assert focused.inner_text() == "Skip to the content"
    assert focused.is_visible()
    watched.page.keyboard.press("Enter")
    watched.page.keyboard.press("Tab")
    assert watched.page.locator(":focus").get_attribute("id") == "query"


def test_a_large_mirror_has_a_page_for_each_initial(browser: Browser, tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path / "mirror")
    count = MOST_ON_FRONT + 1
    wheels = [wheel_with_readme(f"p{n}", "1.0", f"Summary: Number {n}") for n in range(count)]
    documents = documents_of(map(bundled, wheels)).values()
    publish(mirror, deliver(mirror, wheels, documents), ignore)
    with browser.new_context() as context:
        watched = Watched(context.new_page())
        page = watched.page
        page.goto((mirror.root / "index.html").as_uri())
        assert page.locator("#projects li").count() == 1
        page.get_by_role("searchbox").fill("number 42")
        page.get_by_text("15 projects found").wait_for()
        page.get_by_role("searchbox").fill("p")
        page.get_by_text(f"{count} projects found, the first 100 are shown").wait_for()
        page.get_by_role("searchbox").fill("")
        page.get_by_role("link", name=f"p {count} projects").click()
        page.get_by_role("link", name="p500").click()
        assert page.locator("h1").inner_text() == "p500 1.0"
        assert watched.complaints == []
