"""What an index can try with a wheel: each attack through the whole command, with what it shows."""

from __future__ import annotations

import io
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from bundler.model.page import ProjectPage
from tests.fakes.command import Site, bundle, read_json, site
from tests.fakes.trust import digest
from tests.fakes.wheels import UNTAKEN, build_wheel, with_stream

NAME = "evil-1.0-py3-none-any.whl"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        made.write_profile(["evil"])
        yield made


def refused(host: Site, wheel: bytes, filename: str = NAME) -> str:
    """What `create` says of an index that has this wheel."""
    host.index.add(filename, wheel, project="evil")
    return refusal(host)


def refusal(host: Site) -> str:
    """What `create` says when it ends with exit code 4; nothing is left behind."""
    result = host.create()
    assert result.exit_code == 4, result.output
    assert not list(host.out.glob("*")) if host.out.exists() else True
    return " ".join(result.stderr.split())


def changed(files: dict[str, bytes]) -> bytes:
    """A wheel of `evil` whose RECORD is told otherwise, or which has more in it."""
    return build_wheel("evil", "1.0", files=files)[1]


def test_attack_by_an_index_record_that_lies(host: Site) -> None:
    record = "evil/__init__.py,sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,16\n"
    wheel = changed({"evil-1.0.dist-info/RECORD": record.encode()})
    text = refused(host, wheel)
    assert "'evil/__init__.py': is not what its digest in RECORD says [record-digest]" in text
    assert "'evil-1.0.dist-info/WHEEL': is not in RECORD [record-missing]" in text


def test_attack_by_an_index_two_directories(host: Site) -> None:
    good, other = changed({}), changed({"evil/more.py": b"import os\n"})
    assert "its directory is said to end at byte" in refused(host, other + good)


def test_attack_by_an_index_data_behind_the_end(host: Site) -> None:
    text = refused(host, changed({}) + b"#!/bin/sh\n")
    assert "does not end with the end of a zip directory" in text


def test_attack_by_an_index_bomb(host: Site) -> None:
    text = refused(host, changed({"evil/zeros": bytes(100 << 20)}))
    assert "bytes would inflate to 104858069 [bomb]" in text


def test_attack_by_an_index_stream_that_no_installer_takes(host: Site) -> None:
    text = refused(host, with_stream(changed({"evil/x": b"hello"}), "evil/x", UNTAKEN))
    assert "'evil/x': cannot be inflated:" in text
    assert "invalid distances set [zip-data]" in text


def test_attack_by_an_index_traversal(host: Site) -> None:
    text = refused(host, changed({"../../../root/.ssh/authorized_keys": b"ssh-rsa"}))
    assert "'../../../root/.ssh/authorized_keys': has '..' as a part of its path [name]" in text


def test_attack_by_an_index_symbolic_link(host: Site) -> None:
    target = io.BytesIO(changed({}))
    with zipfile.ZipFile(target, "a") as archive:
        link = zipfile.ZipInfo("evil/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "'evil/link': is a symbolic link [kind]" in refused(host, target.getvalue())


def test_attack_by_an_index_metadata_sidecar_that_lies(host: Site) -> None:
    """The METADATA beside the wheel keeps quiet about what the wheel requires, or the reverse."""
    told = b"Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n"
    wheel = build_wheel("evil", "1.0", requires=["lib"])[1]
    listed = host.index.add(NAME, wheel)
    lying = replace(listed, metadata_sha256=digest(told))
    host.index.put_page(ProjectPage(name=canonicalize_name("evil"), files=(lying,)))
    host.index.serve(host.index.file_path(NAME) + ".metadata", told)
    text = refusal(host)
    assert f"{NAME}: its METADATA is not the one that dependencies were resolved from" in text


def test_attack_by_an_index_other_platform(host: Site) -> None:
    """A library for another machine than the wheel's name says."""
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00" + bytes(200)
    filename, wheel = build_wheel(
        "evil", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64", files={"evil/_x.so": elf}
    )
    host.write_profile(["evil"], platforms=["x86_64-manylinux_2_28"])
    text = refused(host, wheel, filename)
    assert "'evil/_x.so': is elf for aarch64, the wheel is for elf for x86_64" in text


def test_what_the_profile_accepts_is_visible_inside(host: Site) -> None:
    """The way out: one file, by digest, with a reason, which travels."""
    wheel = changed({"evil-1.0.dist-info/RECORD": b"evil-1.0.dist-info/RECORD,,\n"})
    text = refused(host, wheel)
    digest = text.partition('[[accept]] sha256 = "')[2].partition('"')[0]
    with host.profile.open("a") as profile:
        profile.write(f'[[accept]]\nsha256 = "{digest}"\nreason = "RECORD is empty, looked at"\n')
    assert host.create().exit_code == 0
    inspected = bundle("inspect", host.volume())
    assert "RECORD is empty, looked at" in inspected.stdout
    assert bundle("unpack", host.volume(), "--into", host.mirror).exit_code == 0
    assert read_json(bundle("inspect", host.volume(), "--json"))["contents"]["accepted"]


def test_every_wheel_that_breaks_a_rule_is_named_at_once(host: Site) -> None:
    """With the lines for the profile, which are TOML as they stand."""
    names = ["evil", "worse", "worst"]
    for name in names:
        host.index.add(*build_wheel(name, "1.0", files={f"{name}-1.0.dist-info/RECORD": b""}))
    host.write_profile([*names, "app"])
    result = host.create()
    assert result.exit_code == 4, result.output
    for name in names:
        assert f"{name}-1.0-py3-none-any.whl: " in result.stderr
    assert result.stderr.count("tell the project") == 1
    tables = result.stderr.partition("add to the profile:\n")[2]
    assert len(tomllib.loads(tables)["accept"]) == 3
    with host.profile.open("a") as profile:
        profile.write(tables)
    assert host.create().exit_code == 0
