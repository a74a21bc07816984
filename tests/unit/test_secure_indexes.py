"""Whole runs against indexes that are shaped as the secure ones that people have."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import Result

from bundler.model.manifest import BundledFile, ProjectDocument
from tests.fakes.command import Site, bundle, read_json, site, succeed
from tests.fakes.index import FakeIndex
from tests.fakes.secure_index import (
    CREDENTIALS,
    ISSUER,
    REBUILDER,
    KeySigningIndex,
    RebuildingIndex,
)
from tests.fakes.sigstore import FakeSigstore
from tests.fakes.wheels import build_wheel

SIGSTORE = FakeSigstore()
PUBLISHER = f"""
[[publisher]]
projects = ["*"]
kind = "URL"
issuer = "{ISSUER}"
identity = "{REBUILDER}"
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("BUNDLER_INDEX_SECURE_USERNAME", CREDENTIALS[0])
    monkeypatch.setenv("BUNDLER_INDEX_SECURE_PASSWORD", CREDENTIALS[1])
    with site(tmp_path) as made:
        (made.folder / "sigstore.json").write_bytes(SIGSTORE.trusted_root)
        yield made


@pytest.fixture
def rebuilding() -> Iterator[RebuildingIndex]:
    with FakeIndex() as storage, RebuildingIndex(storage, SIGSTORE) as index:
        index.rebuild(*build_wheel("app", "2.0", requires=["lib"]))
        index.rebuild(*build_wheel("app", "2.0+cgr.1", requires=["lib"]))
        index.pass_through(*build_wheel("lib", "1.0"))
        yield index


def create(host: Site, index: FakeIndex, keys: str = "", tables: str = "") -> Result:
    host.profile.write_text(f"""
[profile]
name = "test"
requirements = ["app==2.0"]
[[index]]
name = "secure"
url = "{index.url}"
passed-through = ["{index.origin}/python/python-upstream/"]
{keys}
{tables}
[attestations]
trusted-root = "sigstore.json"
[targets]
python = ["3.12"]
platforms = ["x86_64-manylinux_2_28"]
""")
    return host.create()


def documents(host: Site) -> dict[str, BundledFile]:
    """What is said of each file, in the mirror."""
    succeed("unpack", host.volume(), "--into", host.mirror)
    return {
        file.filename: file
        for path in (host.mirror / ".bundler" / "blobs").rglob("*")
        if path.is_file() and path.read_bytes().startswith(b'{"files":')
        for file in ProjectDocument.from_bytes(path.read_bytes()).files
    }


def said(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    return " ".join(result.stderr.split())


def test_what_an_index_rebuilt_crosses_with_its_attestation(
    host: Site, rebuilding: RebuildingIndex
) -> None:
    rebuilding.rebuild(*build_wheel("lib", "1.1"))
    result = create(host, rebuilding, 'provenance = "required"', PUBLISHER)
    assert result.exit_code == 0, result.output
    assert "2 verified" in result.stderr
    files = documents(host)
    assert set(files) == {"app-2.0+cgr.1-py3-none-any.whl", "lib-1.1-py3-none-any.whl"}
    assert all(not file.passed_through for file in files.values())
    beside = list((host.mirror / "files").rglob("*.provenance"))
    assert len(beside) == 2
    assert all(b"application/vnd.dev.sigstore.bundle" in path.read_bytes() for path in beside)


def test_no_credential_leaves_its_host_or_is_written(
    host: Site, rebuilding: RebuildingIndex
) -> None:
    result = create(host, rebuilding)
    assert result.exit_code == 0, result.output
    assert rebuilding.storage.requests
    assert all("authorization" not in each.headers for each in rebuilding.storage.requests)
    succeed("unpack", host.volume(), "--into", host.mirror)
    written = [path for path in host.folder.rglob("*") if path.is_file()]
    assert len(written) > 20
    for secret in CREDENTIALS:
        assert secret not in result.output
        assert not [path for path in written if secret.encode() in path.read_bytes()]


def test_what_is_passed_through_is_told_apart_and_counted(
    host: Site, rebuilding: RebuildingIndex
) -> None:
    result = create(host, rebuilding)
    assert "1 verified, 1 absent, 1 not built by their index" in result.stderr
    files = documents(host)
    assert {name: file.passed_through for name, file in files.items()} == {
        "app-2.0+cgr.1-py3-none-any.whl": False,
        "lib-1.0-py3-none-any.whl": True,
    }


def test_what_is_passed_through_is_refused_where_the_profile_wants_none(
    host: Site, rebuilding: RebuildingIndex
) -> None:
    text = said(create(host, rebuilding, "require-rebuilt = true"), 4)
    assert "lib-1.0-py3-none-any.whl: refused: the index 'secure' did not build it" in text
    assert "app-2.0" not in text
    assert not host.out.exists()


def test_another_customer_of_the_same_issuer_is_refused(
    host: Site, rebuilding: RebuildingIndex
) -> None:
    """An identity is pinned whole: any customer of the platform has one that begins alike."""
    rebuilding.rebuild(*build_wheel("lib", "1.1"), by=f"{ISSUER}/mallory")
    text = said(create(host, rebuilding, 'provenance = "required"', PUBLISHER), 4)
    assert f"lib-1.1-py3-none-any.whl: refused: it is attested by URL {ISSUER}" in text
    assert f"expect URL {ISSUER} {REBUILDER}" in text


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("MALWARE_DETECTED", "the index found malware in it"),
        ("POLICY_ORG_BLOCKLIST", "block list"),
        ("POLICY_COOLDOWN", "it is younger than the index's cooldown allows"),
    ],
)
def test_a_refusal_of_the_index_is_shown_as_what_it_is(
    host: Site, rebuilding: RebuildingIndex, reason: str, meaning: str
) -> None:
    rebuilding.blocked["lib"] = reason, "lib is held back"
    text = said(create(host, rebuilding), 4)
    assert meaning in text
    assert "lib is held back" in text


def test_wrong_credentials_are_no_missing_project(
    host: Site, rebuilding: RebuildingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNDLER_INDEX_SECURE_PASSWORD", "expired")
    text = said(create(host, rebuilding), 6)
    assert "401" in text
    assert "expired" not in text


def test_what_one_key_signed_crosses(host: Site) -> None:
    with KeySigningIndex() as index:
        index.release(*build_wheel("app", "2.0", requires=["lib"], build="0"))
        index.release(*build_wheel("lib", "1.0"))
        assert create_with_key(host, index, index).exit_code == 0
        assert {
            name: file.verdict.identity and file.verdict.identity.publisher.kind
            for name, file in documents(host).items()
        } == {"app-2.0-0-py3-none-any.whl": "key", "lib-1.0-py3-none-any.whl": "key"}


def test_another_key_is_refused(host: Site) -> None:
    with KeySigningIndex() as index, KeySigningIndex() as other:
        index.release(*build_wheel("app", "2.0"))
        text = said(create_with_key(host, index, other), 4)
    assert "app-2.0-py3-none-any.whl: refused: its attestation is not valid" in text


def create_with_key(host: Site, index: FakeIndex, signer: KeySigningIndex) -> Result:
    public = signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    table = f"""
[[publisher]]
projects = ["*"]
kind = "key"
key = '''
{public.decode()}'''
"""
    return create(host, index, 'provenance = "required"', table)


def test_lock_pins_publishers_and_proposes_them(host: Site, rebuilding: RebuildingIndex) -> None:
    create(host, rebuilding)  # writes the profile
    locked = bundle("lock", host.profile, "--publishers", *host.home)
    assert locked.exit_code == 0, locked.output
    table = f"""
[[publisher]]
projects = ["app"]
kind = "URL"
issuer = "{ISSUER}"
identity = "{REBUILDER}"
"""
    assert table in locked.stdout
    (lock,) = (host.folder / "test.locks").iterdir()
    packages = {each["name"]: each for each in tomllib.loads(lock.read_text())["packages"]}
    assert packages["app"]["attestation-identities"] == [
        {"kind": "URL", "issuer": ISSUER, "identity": REBUILDER}
    ]
    assert "attestation-identities" not in packages["lib"]
    before = lock.read_bytes()
    succeed("lock", host.profile, *host.home)
    assert lock.read_bytes() == before  # what is pinned stays pinned
    again = read_json(bundle("lock", host.profile, "--publishers", "--json", *host.home))
    assert again["publishers"] == {
        "app": [{"kind": "URL", "issuer": ISSUER, "identity": REBUILDER}]
    }


def test_a_pinned_publisher_is_held_to(host: Site, rebuilding: RebuildingIndex) -> None:
    create(host, rebuilding)
    succeed("lock", host.profile, "--publishers", *host.home)
    rebuilding.rebuild(*build_wheel("app", "2.0+cgr.2"), by=f"{ISSUER}/mallory")
    for command in (("create", host.profile, "-o", host.out, "--upgrade"), ("lock", host.profile)):
        more = ("--publishers", "--upgrade") if command[0] == "lock" else ()
        text = said(bundle(*command, *more, *host.home), 4)
        assert f"attested by URL {ISSUER} {ISSUER}/mallory, but the profile or its locks" in text


def test_a_lock_with_a_publisher_of_no_known_kind(host: Site, rebuilding: RebuildingIndex) -> None:
    create(host, rebuilding)
    succeed("lock", host.profile, "--publishers", *host.home)
    (lock,) = (host.folder / "test.locks").iterdir()
    lock.write_text(lock.read_text().replace('kind = "URL"', 'kind = "Oracle"'))
    text = said(bundle("lock", host.profile, *host.home), 3)
    assert f"{lock.name}: there is no kind of publisher 'Oracle'" in text


@pytest.mark.parametrize("other", [("--locked",), ("--why", "app")])
def test_publishers_of_what_is_not_written(host: Site, other: tuple[str, ...]) -> None:
    text = said(bundle("lock", host.profile, "--publishers", *other, *host.home), 2)
    assert "--publishers excludes --locked and --why" in text
