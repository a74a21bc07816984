from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bundler.events import ignore
from bundler.mirror.layout import Mirror, metadata_path
from bundler.mirror.publish import publish
from tests.fakes.asking import ask
from tests.fakes.mirrors import blob_of, bundled, deliver, documents_of
from tests.fakes.sdists import build_sdist
from tests.fakes.wheels import build_wheel

OLD = build_wheel("foo-bar", "1.0")
NEW = build_wheel("foo-bar", "1.1", requires=["leaf>=1"], requires_python=">=3.9")
YANKED = build_wheel("foo-bar", "1.2")
PRE = build_wheel("foo-bar", "2.0rc1")
SOURCE = build_sdist("foo-bar", "0.9")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    mirror = Mirror.create(tmp_path_factory.mktemp("mirror"))
    files = [
        bundled(OLD),
        bundled(NEW, requires_python=">=3.9", upload_time="2026-01-02T03:04:05.000000Z"),
        bundled(YANKED, yanked="broken"),
        bundled(PRE, yanked=""),
        bundled(SOURCE),
    ]
    wheels = [OLD, NEW, YANKED, PRE, SOURCE]
    publish(mirror, deliver(mirror, wheels, documents_of(files).values()), ignore)
    return mirror


def _json(mirror: Mirror, path: str) -> dict[str, Any]:
    answer = ask(mirror, path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


def test_a_project(mirror: Mirror) -> None:
    found = _json(mirror, "/pypi/foo-bar/json")
    info = found["info"]
    assert (info["name"], info["version"]) == ("foo-bar", "1.1")
    assert info["requires_dist"] == ["leaf>=1"]
    assert info["requires_python"] == ">=3.9"
    assert (info["yanked"], info["yanked_reason"]) == (False, None)
    assert list(found["releases"]) == ["0.9", "1.0", "1.1", "1.2", "2.0rc1"]
    digest = blob_of(NEW[1]).sha256
    assert found["urls"] == [
        {
            "digests": {"sha256": digest},
            "filename": NEW[0],
            "has_sig": False,
            "packagetype": "bdist_wheel",
            "python_version": "py3",
            "requires_python": ">=3.9",
            "size": len(NEW[1]),
            "upload_time": "2026-01-02T03:04:05",
            "upload_time_iso_8601": "2026-01-02T03:04:05.000000Z",
            "url": f"http://host/packages/{digest[:2]}/{digest}/{NEW[0]}",
            "yanked": False,
            "yanked_reason": None,
        }
    ]
    assert found["vulnerabilities"] == []


def test_a_version(mirror: Mirror) -> None:
    found = _json(mirror, "/pypi/foo-bar/1.2/json")
    assert "releases" not in found
    assert found["info"]["yanked"] is True
    assert found["info"]["yanked_reason"] == "broken"
    # A reason that was not given is none.
    assert _json(mirror, "/pypi/foo-bar/2.0rc1/json")["info"]["yanked_reason"] is None


def test_a_source_distribution_alone(mirror: Mirror) -> None:
    found = _json(mirror, "/pypi/foo-bar/0.9/json")
    assert found["info"]["name"] == "foo-bar"
    (file,) = found["urls"]
    assert (file["packagetype"], file["python_version"]) == ("sdist", "source")


def test_other_spellings_lead_there(mirror: Mirror) -> None:
    answer = ask(mirror, "/pypi/Foo_Bar/json")
    assert (answer.status, answer.headers["Location"]) == (301, "../foo-bar/json")
    answer = ask(mirror, "/pypi/Foo_Bar/1.0/json")
    assert (answer.status, answer.headers["Location"]) == (301, "../../foo-bar/1.0/json")


@pytest.mark.parametrize(
    "path",
    [
        "/pypi/other/json",
        "/pypi/foo-bar/9/json",
        "/pypi/foo-bar/",
        "/pypi/../json",
        "/pypi/foo-bar/1.0/1.0/json",
        "/pypi/foo-bar/%2e%2e%2f/json",
    ],
)
def test_nothing_else(mirror: Mirror, path: str) -> None:
    assert ask(mirror, path).status == 404


def test_lost_metadata_leaves_the_fields_empty(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    publish(mirror, deliver(mirror, [NEW]), ignore)
    metadata_path(mirror.file_path(bundled(NEW))).unlink()
    found = _json(mirror, "/pypi/foo-bar/json")
    assert found["info"]["requires_dist"] is None
    assert found["info"]["version"] == "1.1"
