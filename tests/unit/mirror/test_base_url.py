"""Where a mirror is served is part of its policy; pages say so from then on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bundler.errors import BundlerError
from bundler.events import ignore
from bundler.mirror.generations import folder_of, live, live_number
from bundler.mirror.journal import read_history
from bundler.mirror.layout import Mirror
from bundler.mirror.policy import Policy, parse_base_url, read_policy_file
from bundler.mirror.publish import publish
from bundler.model.manifest import VerifiedManifest
from tests.fakes.command import bundle, read_json, succeed
from tests.fakes.mirrors import bundled, deliver, documents_of
from tests.fakes.wheels import build_wheel

WHEEL = build_wheel("demo", "1.0")
BASE = "https://packages.example.org/python/"


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.create(tmp_path / "mirror")


def _deliver(mirror: Mirror) -> VerifiedManifest:
    attested = bundled(WHEEL, provenance=mirror.store.put(b'{"version": 1}'))
    return deliver(mirror, [WHEEL], documents_of([attested]).values())


def _provenance(mirror: Mirror) -> str | None:
    page = json.loads((mirror.simple / "demo" / "index.v1_json").read_bytes())
    (file,) = page["files"]
    html = (mirror.simple / "demo" / "index.html").read_text()
    assert ("data-provenance" in html) == ("provenance" in file)
    found = file.get("provenance")
    assert found is None or isinstance(found, str)
    return found


def test_pages_are_written_anew_when_it_changes(mirror: Mirror) -> None:
    publish(mirror, _deliver(mirror), ignore)
    assert _provenance(mirror) is None
    said = succeed("policy", mirror.root, "--base-url", BASE.removesuffix("/")).stdout
    assert said.endswith(f"served at {BASE}\n")
    url = _provenance(mirror)
    assert url
    assert url.startswith(f"{BASE}files/")
    path = mirror.root / url.removeprefix(BASE)
    assert path.read_bytes() == b'{"version": 1}'
    shown = live(mirror)
    assert shown
    assert (shown.number, shown.base_url) == (2, BASE)
    assert (read_history(mirror).entries[-1].note or "").endswith(f"served at {BASE}")
    succeed("policy", mirror.root, "--base-url", BASE)
    assert live_number(mirror) == 2  # nothing to do
    assert read_json(bundle("policy", mirror.root, "--json"))["base-url"] == BASE
    succeed("policy", mirror.root, "--no-base-url")
    assert live_number(mirror) == 3
    assert _provenance(mirror) is None


def test_it_may_be_said_before_anything_is_live(mirror: Mirror) -> None:
    succeed("policy", mirror.root, "--base-url", BASE)
    assert live_number(mirror) is None
    publish(mirror, _deliver(mirror), ignore)
    assert _provenance(mirror)


def test_what_was_interrupted_is_done_by_the_next_import(mirror: Mirror) -> None:
    manifest = _deliver(mirror)
    publish(mirror, manifest, ignore)
    mirror.policy.write_bytes(Policy(base_url=BASE).to_bytes())
    assert publish(mirror, manifest, ignore).generation == 2
    assert _provenance(mirror)


def test_every_project_is_written_anew_with_it(mirror: Mirror) -> None:
    manifest = _deliver(mirror)
    publish(mirror, manifest, ignore)
    mirror.policy.write_bytes(Policy(base_url=BASE).to_bytes())
    publish(mirror, VerifiedManifest(replace(manifest, sequence=2)), ignore)
    assert _provenance(mirror)
    assert (folder_of(mirror, 2) / "simple" / "demo" / "index.html").stat().st_nlink == 1


def test_a_policy_with_an_address_is_read_as_it_was_written(mirror: Mirror) -> None:
    mirror.policy.write_bytes(Policy(base_url=BASE).to_bytes())
    assert read_policy_file(mirror) == Policy(base_url=BASE)


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://h.example.org", "https://h.example.org/"),
        ("https://h.example.org:8443/a%20b/", "https://h.example.org:8443/a%20b/"),
        ("https://[::1]/x", "https://[::1]/x/"),
    ],
)
def test_addresses(text: str, base: str) -> None:
    assert parse_base_url(text) == base


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h.example.org",
        "http://h.example.org/",  # PEP 740 asks for a secure origin
        "https:///simple/",
        "https://user:secret@h.example.org/",
        "https://h.example.org/?a",
        "https://h.example.org/?",
        "https://h.example.org/#",
        "https://h.example.org:x/",
        "https://h.example.org:0/",
        "https://[::1/",
        'https://h.example.org/"',
        "https://h.example.org/a b",
        "https://h.example.org/\n",
    ],
)
def test_what_is_no_address_is_not_quoted(text: str) -> None:
    with pytest.raises(BundlerError, match="not an address that pages can name") as caught:
        parse_base_url(text)
    assert "secret" not in str(caught.value)


def test_both_options_are_one_too_many(mirror: Mirror) -> None:
    result = bundle("policy", mirror.root, "--base-url", BASE, "--no-base-url")
    assert result.exit_code == 2
    assert "an option and its opposite are both given" in result.stderr
