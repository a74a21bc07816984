from __future__ import annotations

import stat
from pathlib import Path

from bundler.cli.home import cache_secret, find_home


def test_the_secret_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    home = find_home(tmp_path)
    secret = cache_secret(home)
    assert len(secret) == 32
    assert cache_secret(home) == secret
    path = tmp_path / "cache.secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.is_relative_to(home.cache)


def test_a_secret_that_is_none_is_made_anew(tmp_path: Path) -> None:
    home = find_home(tmp_path)
    (tmp_path / "cache.secret").write_bytes(b"short")
    assert cache_secret(home) == cache_secret(home) != b"short"


def test_a_secret_that_cannot_be_kept_is_for_one_run(tmp_path: Path) -> None:
    home = find_home(tmp_path)
    (tmp_path / "cache.secret").mkdir()
    assert len(cache_secret(home)) == 32
    assert cache_secret(home) != cache_secret(home)
