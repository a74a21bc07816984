from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bundler.events import ignore
from bundler.mirror.exchange import FilePart, Request, Response
from bundler.mirror.generations import folder_of
from bundler.mirror.layout import Mirror, metadata_path, provenance_path
from bundler.mirror.live_pages import LivePages
from bundler.mirror.negotiate import HTML, JSON
from bundler.mirror.publish import publish
from bundler.mirror.respond import respond, respond_from_memory
from tests.fakes.asking import ask
from tests.fakes.mirrors import blob_of, bundled, deliver
from tests.fakes.wheels import build_wheel

LOCAL = build_wheel("Foo.Bar", "1.0+local.1")
DIGEST = blob_of(LOCAL[1]).sha256
FOLDER = f"/files/{DIGEST[:2]}/{DIGEST}"
WHEEL = f"{FOLDER}/foo_bar-1.0%2Blocal.1-py3-none-any.whl"
SIZE = len(LOCAL[1])


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    mirror = Mirror.create(tmp_path_factory.mktemp("served"))
    publish(mirror, deliver(mirror, [LOCAL]), ignore)
    (mirror.simple / ".hidden").mkdir()
    (mirror.root / "secret.txt").write_text("secret")
    return mirror


def _get(mirror: Mirror, path: str, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(mirror, path, named)


def test_a_page_in_each_form(mirror: Mirror) -> None:
    page = _get(mirror, "/simple/foo-bar/", accept=JSON)
    assert page.status == 200
    assert page.headers["Content-Type"] == JSON
    assert json.loads(page.body)["files"][0]["filename"] == LOCAL[0]
    assert page.headers["Vary"] == "Accept, Accept-Encoding"
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Content-Length"] == str(len(page.body))

    html = _get(mirror, "/simple/foo-bar/", accept=HTML)
    legacy = _get(mirror, "/simple/foo-bar/")
    assert html.body == legacy.body
    assert b"<!DOCTYPE html>" in html.body
    assert html.headers["Content-Type"] == HTML
    assert legacy.headers["Content-Type"] == "text/html; charset=utf-8"


def test_the_list_of_projects(mirror: Mirror) -> None:
    page = _get(mirror, "/simple/", accept=JSON)
    assert json.loads(page.body)["projects"] == [{"name": "foo-bar", "_last-serial": 1}]


def test_what_programs_that_mirror_us_ask_for(mirror: Mirror) -> None:
    legacy = _get(mirror, "/pypi/foo-bar/json")
    assert legacy.headers["X-PyPI-Last-Serial"] == "1"
    found = json.loads(legacy.body)
    assert found["last_serial"] == 1
    (file,) = found["urls"]
    path = urlsplit(file["url"]).path
    assert path == WHEEL.replace("/files/", "/packages/")
    assert _get(mirror, path).status == 200


def test_a_link_that_is_not_ours_has_no_serial(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    mirror.simple.symlink_to("/etc")
    assert _get(mirror, "/pypi/foo-bar/json").status == 404


def test_no_acceptable_form(mirror: Mirror) -> None:
    answer = _get(mirror, "/simple/foo-bar/", accept="application/json")
    assert answer.status == 406
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert JSON.encode() in answer.body


def test_a_page_that_is_known_is_not_sent_again(mirror: Mirror) -> None:
    first = _get(mirror, "/simple/foo-bar/", accept=JSON)
    again = _get(mirror, "/simple/foo-bar/", accept=JSON, if_none_match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Vary"] == "Accept, Accept-Encoding"
    assert "Content-Length" not in again.headers
    other = _get(mirror, "/simple/foo-bar/", if_none_match=first.headers["ETag"])
    assert other.status == 200


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/simple", "simple/"),
        ("/simple/foo-bar", "foo-bar/"),
        ("/simple/Foo.Bar", "foo-bar/"),
        ("/simple/Foo__Bar/", "../foo-bar/"),
        ("/simple/foo%2Dbar/", None),
    ],
)
def test_other_spellings_lead_to_the_page(mirror: Mirror, path: str, location: str | None) -> None:
    answer = _get(mirror, path)
    assert answer.status == (301 if location else 200)
    assert answer.headers.get("Location") == location


def test_a_wheel(mirror: Mirror) -> None:
    answer = _get(mirror, WHEEL)
    path = mirror.file_path(bundled(LOCAL))
    assert answer == Response(
        200,
        {
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "public, max-age=31536000, immutable",
            "ETag": f'"{DIGEST}"',
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(SIZE),
        },
        file=FilePart(path, 0, SIZE),
    )
    assert _get(mirror, WHEEL.replace("%2B", "+")) == answer


def test_metadata_beside_a_wheel(mirror: Mirror) -> None:
    answer = _get(mirror, WHEEL + ".metadata")
    path = metadata_path(mirror.file_path(bundled(LOCAL)))
    assert answer.file == FilePart(path, 0, path.stat().st_size)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["ETag"] == f'"{DIGEST}.metadata"'


def test_attestations_beside_a_wheel(mirror: Mirror) -> None:
    assert _get(mirror, WHEEL + ".provenance").status == 404
    path = provenance_path(mirror.file_path(bundled(LOCAL)))
    path.write_bytes(b"{}")
    answer = _get(mirror, WHEEL + ".provenance")
    assert answer.file == FilePart(path, 0, 2)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["ETag"] == f'"{DIGEST}.provenance{path.stat().st_mtime_ns:x}"'


def test_a_part_of_a_wheel(mirror: Mirror) -> None:
    answer = _get(mirror, WHEEL, range="bytes=-4", if_range=f'"{DIGEST}"')
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {SIZE - 4}-{SIZE - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == "4"
    assert answer.file
    assert (answer.file.offset, answer.file.length) == (SIZE - 4, 4)
    assert _get(mirror, WHEEL, range="bytes=0-3", if_range='"other"').status == 200

    missed = _get(mirror, WHEEL, range=f"bytes={SIZE}-")
    assert missed.status == 416
    assert missed.headers["Content-Range"] == f"bytes */{SIZE}"
    assert missed.file is None


def test_a_wheel_that_is_known_is_not_sent_again(mirror: Mirror) -> None:
    answer = _get(mirror, WHEEL, if_none_match=f'"{DIGEST}"', range="bytes=0-1")
    assert (answer.status, answer.file) == (304, None)


@pytest.mark.parametrize(
    "path", ["/", "/health", "/simple/foo-bar/", WHEEL, "/nothing", "/simple", "/pypi/foo-bar/json"]
)
def test_head_says_what_get_would(mirror: Mirror, path: str) -> None:
    wanted, head = ask(mirror, path), ask(mirror, path, method="HEAD")
    assert (head.status, head.headers) == (wanted.status, wanted.headers)
    assert (head.body, head.file) == (b"", None)


def test_head_knows_no_ranges(mirror: Mirror) -> None:
    answer = ask(mirror, WHEEL, {"range": "bytes=0-1"}, "HEAD")
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "PROPFIND"])
def test_nothing_else_is_answered(mirror: Mirror, method: str) -> None:
    answer = ask(mirror, "/simple/", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_front_page_and_health(mirror: Mirror) -> None:
    front = _get(mirror, "/")
    assert front.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b'href="simple/"' in front.body
    assert _get(mirror, "/health").body == b"ok\n"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "simple/",
        "*",
        "//simple/",
        "/secret.txt",
        "/simple/nothing/",
        "/simple/../secret.txt",
        "/simple/%2e%2e/",
        "/simple/..%2f..%2fsecret.txt/",
        "/simple/foo-bar/../foo-bar/",
        "/simple/foo-bar/index.html",
        "/simple/foo-bar%00/",
        "/simple/foo%5cbar/",
        "/simple/.hidden/",
        "/simple/foo-bar%0a/",
        "/simple/foo-bar//",
        "/simple/\u0131/",
        "/simple/%ff/",
        "/.bundler/generations/000001/generation.json",
        "/%2ebundler/lock",
        f"/files/{DIGEST[:2]}/",
        f"/files/{DIGEST[0]}/{DIGEST}/{LOCAL[0]}",
        f"/files//{DIGEST}/{LOCAL[0]}",
        f"/files/zz/{DIGEST}/{LOCAL[0]}",
        f"/files/{DIGEST[:2]}/{DIGEST.upper()}/{LOCAL[0]}",
        FOLDER + "/",
        FOLDER + "/other-1.0-py3-none-any.whl",
        FOLDER + "/..%2f..%2f..%2fsecret.txt",
        FOLDER + "/%2e%2e%2fx.whl",
        FOLDER + "/x%00.whl",
        FOLDER + "/.x.whl",
        FOLDER + "/x%5c.whl",
        WHEEL + "%2emetadata.metadata",
        WHEEL + "/",
    ],
)
def test_nothing_else_is_there(mirror: Mirror, path: str) -> None:
    answer = _get(mirror, path)
    assert (answer.status, answer.body, answer.file) == (404, b"not found\n", None)


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            ["simple", "files", "..", ".", "", "%2e%2e", "%2f", "secret.txt", ".bundler", "foo-bar",
             "\\", "%00", DIGEST[:2], DIGEST, LOCAL[0], "index.html", "%252e%252e"]
        )
        | st.text(max_size=5)
    )
)  # fmt: skip
def test_no_path_leads_anywhere_else(mirror: Mirror, parts: list[str]) -> None:
    answer = ask(mirror, "/" + "/".join(parts))
    assert b"secret" not in answer.body
    assert answer.file is None or answer.file.path == mirror.file_path(bundled(LOCAL))
    assert answer.status in {200, 301, 404}


def test_links_that_leave_the_tree_are_not_followed(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path / "mirror")
    publish(mirror, deliver(mirror, [LOCAL]), ignore)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "index.html").write_text("secret")
    (outside / LOCAL[0]).write_text("secret")
    (mirror.simple / "leak").symlink_to(outside)
    assert _get(mirror, "/simple/leak/").status == 404

    wheel = mirror.file_path(bundled(LOCAL))
    wheel.unlink()
    wheel.symlink_to(outside / LOCAL[0])
    assert _get(mirror, WHEEL).status == 404
    for path in list(wheel.parent.iterdir()):
        path.unlink()
    wheel.parent.rmdir()
    wheel.parent.symlink_to(outside)
    assert _get(mirror, WHEEL).status == 404

    mirror.simple.unlink()
    mirror.simple.symlink_to(outside)
    assert _get(mirror, "/simple/").status == 404


def test_a_folder_in_place_of_a_wheel_is_not_served(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    mirror.file_path(bundled(LOCAL)).mkdir(parents=True)
    assert _get(mirror, WHEEL).status == 404


def test_a_new_mirror_has_no_pages(tmp_path: Path) -> None:
    assert _get(Mirror.create(tmp_path), "/simple/").status == 404


def test_a_loop_of_links_is_not_followed_for_ever(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    mirror.simple.symlink_to("simple")
    assert _get(mirror, "/simple/").status == 404


def test_a_wheel_that_must_not_be_read_is_not_there(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(_path: Path, _mode: int) -> bool:
        return False

    # As root, which tests may be, no mode of the file would have this effect.
    monkeypatch.setattr(os, "access", forbid)
    assert _get(mirror, WHEEL).status == 404


def test_pages_are_compressed_as_the_client_wants(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    wheels = [build_wheel("foo", f"1.{number}") for number in range(9)]
    publish(mirror, deliver(mirror, wheels), ignore)
    plain = _get(mirror, "/simple/foo/")
    assert "Content-Encoding" not in plain.headers
    gzipped = _get(mirror, "/simple/foo/", accept_encoding="gzip, deflate")
    assert gzipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(gzipped.body) == plain.body
    assert int(gzipped.headers["Content-Length"]) < len(plain.body) / 2
    best = _get(mirror, "/simple/foo/", accept_encoding="gzip, zstd;q=0.1")
    assert best.headers["Content-Encoding"] == "zstd"
    assert zstandard.decompress(best.body) == plain.body
    tags = {answer.headers["ETag"] for answer in (plain, gzipped, best)}
    assert len(tags) == 3
    again = _get(
        mirror, "/simple/foo/", accept_encoding="gzip", if_none_match=gzipped.headers["ETag"]
    )
    assert (again.status, again.body) == (304, b"")


def test_a_small_page_is_not_compressed(mirror: Mirror) -> None:
    answer = _get(mirror, "/simple/", accept_encoding="gzip")
    assert "Content-Encoding" not in answer.headers
    assert b"foo-bar" in answer.body


def test_provenance_by_project_and_version(mirror: Mirror) -> None:
    path = provenance_path(mirror.file_path(bundled(LOCAL)))
    path.write_bytes(b'{"version":1}')
    url = f"/integrity/Foo.Bar/1.0+local.1/{LOCAL[0]}/provenance"
    answer = _get(mirror, url)
    assert answer.status == 200
    assert answer.file == FilePart(path, 0, 13)
    assert answer.headers["Content-Type"] == "application/vnd.pypi.integrity.v1+json"
    assert answer.headers["Vary"] == "Accept"
    assert _get(mirror, url, accept="application/json").status == 200
    known = _get(mirror, url, if_none_match=answer.headers["ETag"])
    assert (known.status, known.file) == (304, None)
    refused = _get(mirror, url, accept="text/html")
    assert refused.status == 406
    assert b"application/vnd.pypi.integrity.v1+json" in refused.body
    for wrong in (
        url.replace("1.0+local.1/", "1.0/"),
        url.replace("Foo.Bar", "other"),
        url.replace(".whl", ".zip"),
        url + "/",
        url.replace("Foo.Bar", ".."),
    ):
        assert _get(mirror, wrong).status == 404
    path.unlink()
    assert _get(mirror, url).status == 404


def test_health_before_anything_is_published(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    assert _get(mirror, "/health").status == 503
    publish(mirror, deliver(mirror, [LOCAL]), ignore)
    assert _get(mirror, "/health").status == 200


PAGES = LivePages(Mirror(Path("/nowhere")), lambda: 0.0)


@pytest.mark.parametrize(
    "path", ["/simple//", "/simple/Foo/", "/simple/foo", "/", "/simple/a/b/", "/files/"]
)
def test_what_needs_the_disk_is_not_answered_from_memory(path: str) -> None:
    assert respond_from_memory(PAGES, "GET", path, {}) is None


def _remembered(pages: LivePages, request: Request) -> Response | None:
    known = respond_from_memory(pages, request.method, request.path, request.headers)
    return Response(known[0], dict(known[1]), known[2]) if known else None


def test_memory_answers_as_the_disk_does(mirror: Mirror) -> None:
    pages = LivePages(mirror, lambda: 0.0)
    for path in ("/simple/foo-bar/", "/simple/"):
        for accept in (JSON, "text/html"):
            headers = {"accept": accept, "accept-encoding": "gzip"}
            request = Request("GET", path, headers)
            assert _remembered(pages, request) is None
            answer = respond(pages, request)
            assert answer.status == 200
            assert _remembered(pages, request) == answer
            again = Request("GET", path, {**headers, "if-none-match": answer.headers["ETag"]})
            unchanged = _remembered(pages, again)
            assert unchanged == respond(pages, again)
            assert unchanged is not None
            assert (unchanged.status, unchanged.body) == (304, b"")
        # The two forms of HTML are one page.
        request = Request("GET", path, {"accept": HTML, "accept-encoding": "gzip"})
        assert _remembered(pages, request) == respond(pages, request)
    assert _remembered(pages, Request("GET", "/simple/", {"accept": "image/png"})) is None
    assert _remembered(pages, Request("HEAD", "/simple/", {})) is None


def test_what_is_unusually_long_is_not_remembered(mirror: Mirror) -> None:
    pages = LivePages(mirror, lambda: 0.0)
    long = Request("GET", "/simple/foo-bar/", {"accept": "text/html" + ", image/png" * 50})
    assert respond(pages, long).status == 200
    assert _remembered(pages, long) is None


def test_pages_for_people(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    publish(mirror, deliver(mirror, [LOCAL]), ignore)
    folder = folder_of(mirror, 1)
    (folder / "web" / "project").mkdir(parents=True, exist_ok=True)
    style = b"body { color: black }\n" * 100
    for path, data in {
        "index.html": b"<p>front",
        "web/status.html": b"<p>status",
        "web/project/foo-bar.html": b"<p>foo-bar",
        "web/style.css": style,
        "web/projects.js": b"[]",
        "web/record.json": b"{}",
    }.items():
        (folder / path).write_bytes(data)
    pages = LivePages(mirror, lambda: 0.0)

    def get(path: str, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return respond(pages, Request("GET", path, named))

    front = get("/")
    assert (front.status, front.body) == (200, b"<p>front")
    assert get("/index.html") == front
    assert front.headers["Content-Type"] == "text/html; charset=utf-8"
    assert front.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert (front.headers["Cache-Control"], front.headers["Vary"]) == (
        "no-cache",
        "Accept-Encoding",
    )
    assert get("/", if_none_match=front.headers["ETag"]).status == 304
    assert get("/web/status.html").body == b"<p>status"
    assert get("/web/project/foo-bar.html").body == b"<p>foo-bar"
    assert get("/web/projects.js").headers["Content-Type"] == "text/javascript; charset=utf-8"
    packed = get("/web/style.css", accept_encoding="gzip")
    assert packed.headers["Content-Type"] == "text/css; charset=utf-8"
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == style
    assert get("/web/style.css", accept_encoding="gzip").body is packed.body
    # Renewed by a rename while it is live.
    (folder / "new").write_bytes(b"<p>renewed")
    (folder / "new").replace(folder / "web" / "status.html")
    assert get("/web/status.html").body == b"<p>renewed"
    for path in ("/web/", "/web/record.json", "/web/other/x.html", "/web/nothing.html", "/web",
                 "/web/project/../status.html", "/web/.x.html", "/web/..%2fx.html"):  # fmt: skip
        assert get(path).status == 404
