from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName
from pypi_simple import IndexPage, ProjectPage

from bundler.mirror.pages import list_pages, project_html, project_json, project_pages, read_serials
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import BundledFile, ProjectDocument

ROOT = "https://mirror.example.org/"
BASE = f"{ROOT}simple/demo/"
_DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64).map(Sha256)
# What HTML can say: all but control characters, which have a test of their own.
_WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs"))) | st.text("<>&\"'#+%!\t\n ")
_TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - bounds
    lambda time: time.isoformat() + "Z"
)
_FILENAMES = st.builds(
    "demo-{}{}-{}-none-any.whl".format,
    st.sampled_from(["1.0", "1!2.0", "2.0+cgr.1", "1.0.dev1", "1!3rc1+ubuntu.2"]),
    st.sampled_from(["", "-1", "-0_build"]),
    st.sampled_from(["py3", "py2.py3", "cp312"]),
)


def _file(filename: str, **attributes: Any) -> BundledFile:
    said: dict[str, Any] = {
        "filename": filename,
        "blob": Blob(Sha256("ab" * 32), 1234),
        "metadata": Sha256("cd" * 32),
        "index": "rebuilt",
        "targets": (),
        "required_by": (),
    }
    return BundledFile(**{**said, **attributes})


_FILES = st.builds(
    BundledFile,
    filename=_FILENAMES,
    blob=st.builds(Blob, _DIGESTS, st.integers(0, 2**53)),
    metadata=_DIGESTS,
    index=st.just("rebuilt"),
    targets=st.just(()),
    required_by=st.just(()),
    requires_python=st.none() | st.just(">=3.10,!=3.11.*") | _WORDS,
    upload_time=st.none() | _TIMES,
    yanked=st.none() | _WORDS,
    provenance=st.none() | st.just(Blob(Sha256("ef" * 32), 5)),
)
_PROJECTS = st.builds(
    ProjectDocument,
    name=st.just(NormalizedName("demo")),
    files=st.lists(_FILES, unique_by=lambda file: file.filename, max_size=4).map(tuple),
    status=st.sampled_from(["active", "archived", "quarantined", "deprecated"]),
    status_reason=st.none() | _WORDS,
)


def _assert_same(page: ProjectPage, project: ProjectDocument) -> None:
    assert page.repository_version == "1.4"
    assert len(page.packages) == len(project.files)
    for found, file in zip(page.packages, project.files, strict=True):
        digest = file.blob.sha256
        folder = f"https://mirror.example.org/files/{digest[:2]}/{digest}/"
        assert found.filename == file.filename
        url = found.url.partition("#")[0]
        assert url.startswith(folder)
        assert "+" not in url
        assert unquote(url.removeprefix(folder)) == file.filename
        assert found.digests == {"sha256": digest}
        assert found.has_metadata
        assert found.metadata_digests == {"sha256": file.metadata}
        assert found.requires_python == file.requires_python
        assert found.is_yanked == (file.yanked is not None)
        assert (found.yanked_reason or "") == (file.yanked or "")
        attested = f"{url}.provenance" if file.provenance else None
        assert found.provenance_url == attested


@given(_PROJECTS)
def test_an_independent_reader_gets_the_same_values_from_html(project: ProjectDocument) -> None:
    html = project_html(project, ROOT).decode()
    assert html.startswith("<!DOCTYPE html>\n")
    page = ProjectPage.from_html("demo", html, BASE)
    _assert_same(page, project)
    assert (page.status or "active") == project.status
    assert page.status_reason == project.status_reason


@given(_PROJECTS)
def test_an_independent_reader_gets_the_same_values_from_json(project: ProjectDocument) -> None:
    data = json.loads(project_json(project, ROOT))
    page = ProjectPage.from_json_data(data, BASE)
    _assert_same(page, project)
    assert page.status == project.status
    assert page.status_reason == project.status_reason
    assert [found.size for found in page.packages] == [file.blob.size for file in project.files]
    for found, file in zip(page.packages, project.files, strict=True):
        time = file.upload_time and datetime.fromisoformat(file.upload_time).astimezone(UTC)
        assert found.upload_time == time


@given(st.text(st.characters(categories=["Cc"]), min_size=1))
def test_control_characters_do_not_reach_html(reason: str) -> None:
    html = project_html(
        ProjectDocument(
            name=NormalizedName("demo"), files=(_file("demo-1-py3-none-any.whl", yanked=reason),)
        )
    ).decode()
    assert not any(char in html for char in reason if char not in "\t\n")


def test_a_carriage_return_survives() -> None:
    file = _file("demo-1-py3-none-any.whl", yanked="a\rb")
    html = project_html(ProjectDocument(name=NormalizedName("demo"), files=(file,))).decode()
    assert 'data-yanked="a&#13;b"' in html


def test_what_uv_reads_beyond_the_standards_is_in_html() -> None:
    file = _file("demo-1-py3-none-any.whl", upload_time="2026-01-01T00:00:00Z")
    html = project_html(ProjectDocument(name=NormalizedName("demo"), files=(file,))).decode()
    assert 'data-size="1234" data-upload-time="2026-01-01T00:00:00Z"' in html
    assert f'data-core-metadata="sha256={"cd" * 32}"' in html
    assert "data-dist-info-metadata" not in html
    assert "pypi:project-status" not in html


def test_json_is_as_the_standards_have_it() -> None:
    project = ProjectDocument(
        name=NormalizedName("demo"),
        files=(
            _file("demo-1.10-py3-none-any.whl", yanked=""),
            _file("demo-1.9+a.1-cp312-none-any.whl", yanked="broken", requires_python=">=3.9"),
            _file("demo-1.9+a.1-py3-none-any.whl", upload_time="2026-01-01T00:00:00Z"),
        ),
    )
    page = json.loads(project_pages(project)["index.v1_json"])
    assert page["meta"] == {"api-version": "1.4"}
    assert page["name"] == "demo"
    assert page["project-status"] == {"status": "active"}
    assert page["versions"] == ["1.9+a.1", "1.10"]
    assert [file["yanked"] for file in page["files"]] == [True, "broken", False]
    assert page["files"][2] == {
        "filename": "demo-1.9+a.1-py3-none-any.whl",
        "url": f"../../files/ab/{'ab' * 32}/demo-1.9%2Ba.1-py3-none-any.whl",
        "hashes": {"sha256": "ab" * 32},
        "core-metadata": {"sha256": "cd" * 32},
        "size": 1234,
        "yanked": False,
        "upload-time": "2026-01-01T00:00:00Z",
    }
    assert "dist-info-metadata" not in json.dumps(page)


def test_attestations_are_linked_only_where_it_is_known_where_they_are_served() -> None:
    file = _file("demo-1+a-py3-none-any.whl", provenance=Blob(Sha256("ef" * 32), 5))
    project = ProjectDocument(name=NormalizedName("demo"), files=(file,))
    url = f"{ROOT}files/ab/{'ab' * 32}/demo-1%2Ba-py3-none-any.whl.provenance"
    pages = project_pages(project, ROOT)
    assert f'data-provenance="{url}"' in pages["index.html"].decode()
    assert json.loads(pages["index.v1_json"])["files"][0]["provenance"] == url
    for plain in (project_pages(project), project_pages(_without_provenance(project), ROOT)):
        assert all(b"provenance" not in page for page in plain.values())


def _without_provenance(project: ProjectDocument) -> ProjectDocument:
    files = tuple(replace(file, provenance=None) for file in project.files)
    return replace(project, files=files)


@pytest.mark.parametrize("names", [[], ["a", "b-c"]])
def test_the_list_of_projects_is_the_same_in_both_forms(names: list[str]) -> None:
    pages = list_pages(NormalizedName(name) for name in names)
    html = IndexPage.from_html(pages["index.html"].decode())
    other = IndexPage.from_json_data(json.loads(pages["index.v1_json"]))
    assert html.projects == other.projects == names
    assert html.repository_version == other.repository_version == "1.4"
    for name in names:
        assert f'href="{name}/"' in pages["index.html"].decode()
        assert urljoin("http://h.example.org/simple/", f"{name}/").endswith(f"/simple/{name}/")


def test_serials_are_for_those_who_mirror() -> None:
    names = [NormalizedName("a"), NormalizedName("b")]
    pages = list_pages(names, {names[0]: 7})
    assert json.loads(pages["index.v1_json"])["projects"] == [
        {"name": "a", "_last-serial": 7},
        {"name": "b"},
    ]
    assert b"7" not in pages["index.html"]
    assert read_serials(list_pages(names, {names[0]: 7, names[1]: 2})["index.v1_json"]) == {
        "a": 7,
        "b": 2,
    }
    with pytest.raises(KeyError):
        read_serials(pages["index.v1_json"])
