"""New dates without officers, and what may not get them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bundler.cli import options
from bundler.model.resend import LostVolume, encode
from bundler.model.volume import VolumeIndex
from tests.fakes.ceremony import ceremony
from tests.fakes.command import Site, bundle, read_json, site, succeed, tree
from tests.fakes.lies import head_of, with_head
from tests.fakes.trust import digest, the_time
from tests.fakes.volumes import read_volume_head
from tests.fakes.wheels import build_wheel


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


def long_ago(monkeypatch: pytest.MonkeyPatch, age: timedelta) -> None:
    """Let what is made now have been made then."""
    for module in ("outside", "planning", "trust", "ceremony", "refresh"):
        monkeypatch.setattr(f"bundler.cli.{module}.now", lambda: options.now() - age)


def refresh(host: Site, *volumes: Path) -> Path:
    out = host.folder / "fresh"
    succeed("refresh", "test", *volumes, "-o", out, *host.home)
    return out / volumes[0].name


def test_an_expired_bundle_gets_new_dates_without_officers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ceremony(tmp_path) as people:
        people.begin(1, "ana")
        with monkeypatch.context() as then:
            long_ago(then, timedelta(days=181))
            assert people.host.create().exit_code == 0
            people.sign(people.staged(), "ana")
            assert people.resume().exit_code == 0
        volume = people.host.volume()
        before = volume.read_bytes()
        refused = bundle("unpack", volume, "--into", people.host.mirror)
        assert refused.exit_code == 4
        assert "the timestamp metadata expired on " in refused.stderr
        assert "this host's clock says " in refused.stderr
        assert "bundle refresh" in refused.stderr
        shutil.rmtree(tmp_path / "ana")
        fresh = refresh(people.host, volume)
        succeed("unpack", fresh, "--into", people.host.mirror)
    assert volume.read_bytes() == before
    old, new = (read_volume_head(path).entries for path in (volume, fresh))
    same = {name for name in old if old[name] == new[name]}
    assert same == {
        "manifest.json",
        "metadata/1.root.json",
        "metadata/targets.json",
        "transport/test-000001.set.json",
        "transport/test-000001.v01.json",
    }
    size = read_volume_head(volume).size
    assert fresh.read_bytes()[size:] == before[size:]


def test_a_new_root_rides_along(host: Site) -> None:
    host.create()
    succeed("keygen", "second", *host.home)
    succeed("trust", "rotate", "test", "--add", "second", *host.home)
    fresh = refresh(host, host.volume())
    assert "metadata/2.root.json" in read_volume_head(fresh).entries
    succeed("unpack", fresh, "--into", host.mirror)
    shown = read_json(succeed("trust", "show", "--mirror", host.mirror, "--json"))
    assert shown["streams"][0]["root"] == 2


def test_where_it_is_live_already_it_changes_nothing(host: Site) -> None:
    host.create()
    succeed("unpack", host.volume(), "--into", host.mirror)
    fresh = refresh(host, host.volume())
    text = succeed("unpack", fresh, "--into", host.mirror).stdout
    assert "sequence 1 is live already" in text
    host.create()
    again = bundle("unpack", host.volume(), "--into", host.mirror)
    assert again.exit_code == 4
    assert "timestamp.json is older than what was accepted before" in again.stderr


def refused(host: Site, code: int, reason: str, *volumes: Path) -> None:
    before = tree(host.folder)
    result = bundle("refresh", "test", *volumes, "-o", host.folder, *host.home)
    assert result.exit_code == code
    assert reason in result.stderr
    names = {name for name in tree(host.folder) if not name.endswith("/lock")}
    assert names == {name for name in before if not name.endswith("/lock")}


def test_only_the_last_sequence(host: Site) -> None:
    refused(host, 1, "no such file", host.volume())
    host.create()
    host.index.add(*build_wheel("app", "2.0"))
    host.create()
    refused(host, 4, "is sequence 1 of test; only the last one of test, 2,", host.volume())
    succeed("refresh", "test", host.volume(2), "-o", host.folder / "fresh", *host.home)
    result = bundle("refresh", "test", host.volume(2), "-o", host.out, *host.home)
    assert result.exit_code == 1
    assert "exists already" in result.stderr


def test_a_damaged_volume(host: Site) -> None:
    host.create()
    data = bytearray(host.volume().read_bytes())
    data[-2000] ^= 1
    host.volume().write_bytes(bytes(data))
    refused(host, 4, "is damaged: the frame at ", host.volume())
    data[-2000] ^= 1
    host.volume().write_bytes(bytes(data) + b"x")
    refused(host, 4, "is longer than it was when it was packed", host.volume())


def test_what_another_host_packed(host: Site, tmp_path: Path) -> None:
    with site(tmp_path / "other") as other:
        other.create()
        refused(host, 4, "test has no sequence yet", other.volume())
        host.create()
        refused(host, 4, "is not what this host packed as sequence 1", other.volume())
    refused(host, 4, "is not a bundle volume", host.profile)


def test_all_volumes_of_a_sequence_are_needed(host: Site) -> None:
    """As if there had been two: what was recorded names both."""
    host.create()
    (path,) = (host.folder / "home/streams/test/packed").rglob("*.v01.json")
    index = VolumeIndex.from_bytes(path.read_bytes())
    other = replace(index, volume=2, volumes=2)
    path.with_name("test-000001.v02.json").write_bytes(other.to_bytes())
    refused(host, 5, "get new dates together; missing: test-000001.v02", host.volume())


def test_a_head_that_lies(host: Site) -> None:
    host.create()
    head = head_of(host.volume())
    name = "transport/test-000001.v01.json"
    for lie, reason in (
        ({"manifest.json": head["manifest.json"]}, "has no manifest or not one index"),
        ({**head, name: b"{}"}, "volume index: no key 'format'"),
        ({**head, "manifest.json": b"{}"}, "has another manifest than sequence 1 was made with"),
    ):
        refused(host, 4, reason, with_head(host.volume(), lie, host.folder / "lie"))
        (host.folder / "lie").unlink()


def test_every_role_lasts_as_the_profile_says(host: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = the_time().replace(microsecond=0)
    for module in ("planning", "refresh"):
        monkeypatch.setattr(f"bundler.cli.{module}.now", lambda: now)
    text = '[expiry]\ntargets = "8 weeks"\ntimestamp = "36 hours"\nsnapshot = "30 days"\n'
    host.profile.write_text(host.profile.read_text() + text)
    host.create()
    expected = {
        "targets": timedelta(weeks=8),
        "packing": timedelta(days=180),
        "snapshot": timedelta(days=30),
        "timestamp": timedelta(hours=36),
    }
    for volume in (host.volume(), refresh(host, host.volume())):
        found = read_json(succeed("verify", volume, "--trust", host.root, "--json"))
        found = found["volumes"][0]["roles"]
        for role, lifetime in expected.items():
            assert found[role]["expires"] == f"{now + lifetime:%Y-%m-%dT%H:%M:%SZ}"
    shutil.rmtree(host.folder / "home" / "cache")
    shutil.rmtree(host.folder / "home" / "streams" / "test" / "documents")
    shutil.rmtree(host.folder / "fresh")
    result = bundle("refresh", "test", host.volume(), "-o", host.folder / "fresh", *host.home)
    assert "note: the record of sequence 1 of test is not whole: " in result.stderr
    assert " is lost: roles last as by default" in result.stderr


@pytest.mark.parametrize("text", ["0 days", "soon", "9999 weeks", "2027-01-01"])
def test_a_lifetime_that_is_none(host: Site, text: str) -> None:
    host.profile.write_text(f'{host.profile.read_text()}[expiry]\ntimestamp = "{text}"\n')
    result = host.create()
    assert result.exit_code == 3
    assert "expiry.timestamp: give " in result.stderr
    result = bundle("trust", "rotate", "test", "--lasts", text, *host.home)
    assert result.exit_code == 2


def test_a_root_that_ends_soon_is_told_and_one_that_ended_is_no_root(
    host: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed("trust", "rotate", "test", "--lasts", "30 days", *host.home)
    said = host.create().stderr
    assert "note: the root of test expires on " in said
    assert "renew it in time: bundle trust rotate test" in said
    monkeypatch.setattr("bundler.cli.planning.now", lambda: the_time() + timedelta(days=31))
    host.index.requests.clear()
    result = host.create()
    assert result.exit_code == 4
    assert "error: the root of test expired on " in result.stderr
    assert "hint: run: bundle trust rotate test" in result.stderr
    assert host.index.requests == []
    monkeypatch.undo()
    succeed("trust", "rotate", "test", *host.home)
    assert "expires on" not in host.create().stderr


def test_a_root_lasts_as_long_as_it_is_told(host: Site) -> None:
    made = read_json(
        succeed("trust", "rotate", "test", "--lasts", "52 weeks", *host.home, "--json")
    )
    expires = the_time() + timedelta(weeks=52)
    days = {f"{expires - timedelta(minutes=each):%Y-%m-%d}" for each in (0, 1)}
    assert made["expires"][:10] in days


def test_each_packing_of_the_last_sequence_gets_new_dates(host: Site) -> None:
    """Also the full bundle, after a part of it was sent again."""
    host.create()
    home = host.folder / "home/streams/test/packed"
    (path,) = home.rglob("*.set.json")
    volumes = digest(path.read_bytes())[:8]
    code = encode(LostVolume(stream="test", sequence=1, volumes=volumes, volume=1, segments=(1,)))
    succeed("create", "--resend", code, "-o", host.out, *host.home)
    again = host.out / "test-000001.again.v01.tar.zst"
    refused(host, 4, "these volumes were not packed together", host.volume(), again)
    succeed("verify", refresh(host, again), "--trust", host.root)
    fresh = refresh(host, host.volume())
    succeed("unpack", fresh, "--into", host.mirror)
    succeed("refresh", "test", fresh, "-o", host.folder / "fresher", *host.home)
