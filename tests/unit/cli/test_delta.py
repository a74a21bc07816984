"""Deltas and re-sends through the commands, from a receipt or a number to what is live."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from bundler.model.artifact import Sha256
from bundler.model.receipt import Live, Receipt
from bundler.model.resend import LostBlob, LostVolume, encode, write_list
from bundler.records import packings, read_manifest, recorded, sha256_of
from bundler.trust.authority import Authority
from bundler.trust.receipt import sign_receipt
from tests.fakes.ceremony import Ceremony, ceremony
from tests.fakes.command import Site, bundle, read_json, site, succeed, tree
from tests.fakes.mirrors import without_serials
from tests.fakes.volumes import read_volume_head
from tests.fakes.wheels import build_wheel


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two sequences, the second with another `app`; the first is live."""
    with site(tmp_path_factory.mktemp("site")) as host:
        host.make_sequences(2)
        succeed("unpack", host.volume(), "--into", host.mirror)
        yield host


@pytest.fixture
def host(made: Site, tmp_path: Path) -> Site:
    """The same in folders of its own."""
    shutil.copytree(made.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site", made.index)


def delta(host: Site, sequence: int, base: int) -> Path:
    return host.out / f"test-{sequence:06}.since-{base:06}.v01.tar.zst"


def shown(mirror: Path) -> dict[str, bytes]:
    """Every page, and every file that one links to."""
    pages = {
        name: without_serials(content)
        for name, (kind, _, content) in tree((mirror / "simple").resolve()).items()
        if kind == "file"
    }
    links = b"".join(content for name, content in pages.items() if name.endswith(".html"))
    files = {
        path.name: path.read_bytes()
        for path in (mirror / "files").rglob("*")
        if path.is_file() and path.name.encode() in links
    }
    assert files
    return pages | files


def authority_of(host: Site) -> Authority:
    return Authority.open(host.folder / "home" / "streams" / "test")


def test_a_delta_makes_the_same_mirror_as_a_full_bundle(host: Site) -> None:
    result = host.create("--since", "1", "--json")
    assert result.exit_code == 0, result.output
    said = read_json(result)
    assert said["volumes"] == [str(delta(host, 3, 1))]
    assert (said["kind"], said["since"]) == ("delta", 1)
    assert (said["carried-files"], said["files"]) == (1, 3)
    other = host.folder / "other"
    succeed("trust", "pin", host.root, "--into", other)
    assert host.create().exit_code == 0
    succeed("unpack", host.volume(4), "--into", other)
    succeed("unpack", delta(host, 3, 1), "--into", host.mirror)
    assert shown(host.mirror) == shown(other)


def test_what_a_delta_brings_is_told(host: Site) -> None:
    result = host.create("--since", "1")
    assert result.exit_code == 0
    first, second, third, *_ = result.stdout.splitlines()
    assert first == f"{delta(host, 3, 1)}: test sequence 3, for whoever has sequence 1"
    assert second.startswith("2 projects, 3 files for 2 targets: 2.")
    assert third.startswith("carries 1 of 3 files, ")
    assert re.search(r" in \d\d\.\d kB$", third)


def test_an_empty_delta_is_little_more_than_its_head(host: Site) -> None:
    succeed("unpack", host.volume(2), "--into", host.mirror)
    assert host.create("--since", "2").exit_code == 0
    path = delta(host, 3, 2)
    head = read_volume_head(path)
    manifest = len(head.entries["manifest.json"])
    assert path.stat().st_size - head.size < 100
    # Room for metadata with signatures, and for a root more.
    assert path.stat().st_size < manifest + (40 << 10)
    text = succeed("unpack", path, "--into", host.mirror).stdout
    assert "test sequence 3 is live" in text
    assert "0 of them new" in text


def test_a_lost_cache_costs_no_base(host: Site) -> None:
    shutil.rmtree(host.folder / "home" / "cache")
    assert host.create("--since", "1").exit_code == 0
    succeed("unpack", delta(host, 3, 1), "--into", host.mirror)


def test_unknown_base(host: Site) -> None:
    before = tree(host.out)
    result = host.create("--since", "3")
    assert result.exit_code == 4
    assert "this host has made no sequence 3 of test; the last one is 2" in result.stderr
    assert "hint: give the number of a sequence that has a file in" in result.stderr
    assert tree(host.out) == before


def test_a_base_that_the_mirror_has_not(host: Site) -> None:
    """It misses what only a bundle of the base would have brought."""
    assert host.create("--since", "2").exit_code == 0
    result = bundle("unpack", delta(host, 3, 2), "--into", host.mirror)
    assert result.exit_code == 5
    assert not (host.mirror / "simple" / "app").joinpath("index.html").read_text().count("2.0")


def test_lock_tells_what_a_delta_would_carry(host: Site) -> None:
    words = ("lock", host.profile, *host.home)
    text = succeed(*words, "--since", "1").stdout
    assert "a delta since sequence 1 carries 1 of 3 files, " in text
    said = read_json(succeed(*words, "--since", str(issue(host)), "--json"))
    assert (said["delta"]["since"], said["delta"]["files"]) == (1, 1)
    assert said["delta"]["size"] < said["size"]
    assert read_json(succeed(*words, "--json"))["delta"] is None
    host.index.requests.clear()
    unknown = bundle(*words, "--since", "7")
    assert unknown.exit_code == 4
    assert "this host has made no sequence 7 of test" in unknown.stderr
    assert host.index.requests == []
    assert bundle(*words, "--mirror-key", "1").exit_code == 2


# Receipts


def issue(host: Site, *options: str | Path) -> Path:
    path = host.folder / "receipt.json"
    succeed("receipt", host.mirror, "-o", path, *options)
    return path


def forge(path: Path, streams: dict[str, Live], signer: CryptoSigner | None = None) -> CryptoSigner:
    signer = signer or CryptoSigner.generate_ed25519()
    receipt = Receipt(
        created="2026-01-31T12:00:00Z", key=signer.public_key.keyval["public"], streams=streams
    )
    path.write_bytes(sign_receipt(receipt, signer))
    return signer


def live_in(host: Site, sequence: int) -> Live:
    return Live(sequence, sha256_of(read_manifest(authority_of(host), sequence)))


def test_a_delta_since_a_receipt(host: Site) -> None:
    path = issue(host)
    result = host.create("--since", str(path))
    assert result.exit_code == 0, result.output
    assert "note: receipts of test are taken from the mirror key " in result.stderr
    assert f"{path}: sequence 1 of test was live there at 20" in result.stderr
    succeed("unpack", delta(host, 3, 1), "--into", host.mirror)
    again = host.create("--since", str(issue(host)))
    assert again.exit_code == 0
    assert "receipts of test are taken" not in again.stderr
    assert delta(host, 4, 3).exists()


def refused(
    host: Site, path: Path, code: int, *reasons: str, options: tuple[str, ...] = ()
) -> None:
    before = {name for name in tree(host.folder) if not name.endswith("/lock")}
    result = host.create("--since", str(path), *options)
    assert result.exit_code == code, result.output
    for reason in reasons:
        assert reason in result.stderr
    after = {name for name in tree(host.folder) if not name.endswith("/lock")}
    assert {n for n in after ^ before if "cache" not in n} == set()


def test_receipt_of_another_mirror_key(host: Site) -> None:
    assert host.create("--since", str(issue(host))).exit_code == 0
    path = host.folder / "other.json"
    signer = forge(path, {"test": live_in(host, 1)})
    digits = " ".join(signer.public_key.keyid[start : start + 4] for start in range(0, 16, 4))
    refused(
        host,
        path,
        4,
        f"{path} is signed by the mirror key {digits}, not by one that is known here: ",
        f"--mirror-key '{digits}'",
    )
    wrong = ("--mirror-key", "0000 0000 0000 0000")
    refused(host, path, 4, "not by one that is known here: 0000 0000 0000 0000", options=wrong)
    confirmed = host.create("--since", str(path), "--mirror-key", digits.upper().replace(" ", ""))
    assert confirmed.exit_code == 0, confirmed.output
    assert host.create("--since", str(path)).exit_code == 0


def test_receipt_of_another_stream(host: Site) -> None:
    path = host.folder / "other.json"
    forge(path, {"ops": Live(7, live_in(host, 1).manifest)})
    refused(host, path, 4, f"{path} states nothing of test, but: ops 7")
    forge(path, {})
    refused(host, path, 4, "but: nothing at all", "or make a full bundle")


def test_forged_receipt(host: Site) -> None:
    path = issue(host)
    envelope = json.loads(path.read_bytes())
    envelope["signatures"][0]["sig"] = "A" * 86 + "=="
    path.write_text(json.dumps(envelope, separators=(",", ":")))
    refused(host, path, 4, f"{path} was changed since the mirror signed it")


def test_receipt_whose_manifest_differs_from_ours(host: Site) -> None:
    path = host.folder / "other.json"
    ours, theirs = live_in(host, 1).manifest, live_in(host, 2).manifest
    forge(path, {"test": Live(1, theirs)})
    refused(host, path, 4, f"sequence 1 of test with the manifest {theirs};", f"with {ours}")
    forge(path, {"test": Live(9, theirs)})
    refused(host, path, 4, "states sequence 9 of test as live: this host has made no sequence 9")


def test_what_is_no_receipt(host: Site) -> None:
    refused(host, host.profile, 4, f"{host.profile} is not a receipt that this version reads")
    refused(host, host.folder / "none.json", 1, "none.json: no such file")


# Officers elsewhere


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Ceremony]:
    with ceremony(tmp_path) as made:
        yield made


def test_the_base_is_given_again_when_what_was_staged_is_packed(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.authorise(1, "ana")
    host = people.host
    host.index.add(*build_wheel("app", "2.0", requires=["lib>=1"]))
    staged = host.create("--since", "1")
    assert staged.exit_code == 0
    words = f"bundle create --resume {people.staged(2)} -o {host.out} --since 1"
    assert words in " ".join(staged.stdout.split())
    assert people.sign(people.staged(2), "ana").exit_code == 0
    resume = ("create", "--resume", people.staged(2), "-o", host.out, *host.home)
    wrong = bundle(*resume, "--since", "2")
    assert wrong.exit_code == 4
    assert "no sequence 2 of test; the last one is 1" in wrong.stderr
    host.index.requests.clear()
    said = read_json(succeed(*resume, "--since", "1", "--json"))
    assert (said["kind"], said["since"], said["carried-files"]) == ("delta", 1, 1)
    succeed("unpack", delta(host, 2, 1), "--into", host.mirror)


# Sent again


def volume_of(host: Site, volume: int = 1, *segments: int, sequence: int = 2) -> LostVolume:
    packing = packings(authority_of(host), 2)[0]
    return LostVolume(
        stream="test",
        sequence=sequence,
        volumes=packing.digest[:8],
        volume=volume,
        segments=segments,
    )


def resend(host: Site, *given: str | Path) -> Path:
    words = [word for each in given for word in ("--resend", each)]
    succeed("create", *words, "-o", host.out, *host.home)
    return host.out / "test-000002.again.v01.tar.zst"


def lose(mirror: Path, name: str) -> None:
    for path in (mirror / "files").rglob(f"{name}*"):
        path.unlink()


def segment_of(host: Site, label: str) -> int:
    index = packings(authority_of(host), 2)[0].indexes[1]
    return 1 + [segment.label for segment in index.segments].index(label)


@pytest.mark.parametrize("cache", [True, False])
def test_a_list_of_segments_is_sent_again_without_officers(host: Site, *, cache: bool) -> None:
    succeed("unpack", host.volume(2), "--into", host.mirror)
    lose(host.mirror, "lib-1.0-cp312-cp312-win")
    (host.folder / "home" / "streams" / "test" / "lock").unlink()
    path = host.folder / "list.txt"
    lost = volume_of(host, 1, segment_of(host, "lib 1.0"))
    path.write_text(write_list([(lost, "test-000002.v01.tar.zst: lib 1.0")]))
    if not cache:
        shutil.rmtree(host.folder / "home" / "cache")
    host.index.requests.clear()
    volume = resend(host, path)
    fetched = [r.path for r in host.index.requests if r.path.endswith(".whl")]
    assert len(fetched) == (0 if cache else 2)
    text = succeed("unpack", volume, "--into", host.mirror).stdout
    assert "test sequence 2 is live" in text
    assert list((host.mirror / "files").rglob("lib-1.0-cp312-cp312-win_amd64.whl"))


def test_codes_that_were_read_out(host: Site) -> None:
    other = host.folder / "other"
    succeed("trust", "pin", host.root, "--into", other)
    code = encode(volume_of(host)).upper()
    blob = encode(LostBlob(stream="test", sequence=2, sha256=next(iter(_wheels(host)))))
    volume = resend(host, code, blob)
    said = succeed("unpack", volume, "--into", other).stdout
    assert "test sequence 2 is live: 2 projects, 3 files, 3 of them new" in said


def _wheels(host: Site) -> list[Sha256]:
    return [file.blob.sha256 for file in recorded(authority_of(host), 2).files()]


def not_sent(host: Site, code: int, message: str, *given: str | Path) -> None:
    before = tree(host.out)
    words = [word for each in given for word in ("--resend", each)]
    result = bundle("create", *words, "-o", host.out, *host.home)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert tree(host.out) == before


def test_resend_of_an_older_sequence(host: Site) -> None:
    message = "test sequence 1 is asked for again; of test only the last one can be sent again, 2"
    not_sent(host, 4, message, encode(volume_of(host, sequence=1)))


def test_a_mistyped_code(host: Site) -> None:
    good = encode(volume_of(host))
    not_sent(host, 4, "was mistyped: its last word does not fit the rest", good[:-1] + "*")
    not_sent(host, 4, "is no code: it has 6 words and not 5", f"{good} {good[-4:]}")


def test_a_list_that_is_none(host: Site) -> None:
    path = host.folder / "list.txt"
    not_sent(host, 1, f"{path}: no such file or directory", path)
    path.write_bytes(b"\xff")
    not_sent(host, 4, f"{path}: 'utf-8' codec can't decode", path)
    path.write_text(f"bundler resend list 1\n{encode(volume_of(host))[:-1]}*\n")
    not_sent(host, 4, f"{path}: line 2: ", path)


def test_a_stream_that_is_not_here(host: Site) -> None:
    code = encode(LostBlob(stream="other", sequence=1, sha256=Sha256("0" * 64)))
    not_sent(host, 1, "there is no stream other", code)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("PROFILE", "--resend", "x y"),
        ("--resume", "x", "--resend", "x y"),
        ("--since", "1", "--resend", "x y"),
        ("PROFILE", "--mirror-key", "1"),
    ],
)
def test_options_that_do_not_go_together(host: Site, words: tuple[str, ...]) -> None:
    given = [host.profile if word == "PROFILE" else word for word in words]
    assert bundle("create", *given, "-o", host.out, *host.home).exit_code == 2
