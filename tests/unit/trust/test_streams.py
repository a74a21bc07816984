from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import BundlerError
from bundler.trust.streams import WRITTEN, require_stream


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    for name in ("data-science", "web"):
        (tmp_path / name).mkdir()
        (tmp_path / name / WRITTEN).touch()
    (tmp_path / "web2").mkdir()  # of which nothing is left
    return tmp_path


def test_a_stream_that_is_there(streams: Path) -> None:
    require_stream(streams / "web")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("wbe", "did you mean web? if not, `bundle trust init wbe --key NAME` begins it"),
        ("web2", "did you mean web? if not, `bundle trust init web2 --key NAME` begins it"),
        ("ops", "`bundle trust init ops --key NAME` begins it"),
    ],
)
def test_a_stream_that_is_not_there(streams: Path, name: str, hint: str) -> None:
    with pytest.raises(BundlerError) as caught:
        require_stream(streams / name)
    assert str(caught.value) == f"there is no stream {name}"
    assert caught.value.hint == hint
    assert caught.value.exit_code == 1


def test_no_stream_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="there is no stream web"):
        require_stream(tmp_path / "streams" / "web")
