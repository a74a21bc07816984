"""`verify.py` says what `bundle verify` says, with none of its code."""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import CryptoSigner

from bundler.errors import BundlerError
from bundler.events import ignore
from bundler.model.canonical import canonical
from bundler.model.volume import Form
from bundler.receive import verify
from bundler.trust.gate import anchor_from_root
from tests.fakes.documents import ROOT
from tests.fakes.forgery import MANIFEST, Forgery, make_volume
from tests.fakes.trust import digest, make_stream, the_time
from tests.fakes.volumes import noise, pack

PROGRAM = ROOT / "bundler" / "second_opinion" / "verify.py"
TOOLS = ("openssl", "zstd")
LIMIT = 250

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {' and '.join(TOOLS)}"
)


def check(volume: Path, root: Path, *options: str, **environ: str) -> tuple[int, str]:
    """Exit code, and the line about the volume."""
    done = subprocess.run(
        [sys.executable, PROGRAM, volume, "--root", root, *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environ},
    )
    assert done.stderr == ""
    line, last = done.stdout.splitlines()
    assert last.startswith("not checked: ")
    return done.returncode, line.removeprefix(f"{volume}: ")


@dataclass(frozen=True, slots=True)
class Sent:
    """A volume and the next one, their root, and everybody's keys: both officers must sign."""

    volume: Path
    later: Path
    root: Path
    officers: tuple[CryptoSigner, CryptoSigner]
    packer: CryptoSigner

    def forgery(self) -> Forgery:
        return Forgery.of(self.volume)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    folder = tmp_path_factory.mktemp("sent")
    first, second, packer = (CryptoSigner.generate_ed25519() for _ in range(3))
    stream = make_stream(folder, signers=[first, second], threshold=2, packing=packer)
    root = folder / "root.json"
    root.write_bytes(stream.root)
    volumes = make_volume(folder / "good", stream), make_volume(folder / "later", stream)
    return Sent(*volumes, root, (first, second), packer)


# The program as such.


def test_it_is_small_and_imports_nothing_but_the_standard_library() -> None:
    source = PROGRAM.read_text()
    assert len(source.splitlines()) <= LIMIT
    names = {"__future__"}
    for node in ast.walk(ast.parse(source, feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module or "")
    assert "json" in names
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    assert not any(name.startswith("bundler") for name in names)


def test_it_runs_without_this_project(sent: Sent, tmp_path: Path) -> None:
    copy = shutil.copy(PROGRAM, tmp_path)
    argv = [sys.executable, "-I", "-S", str(copy), str(sent.volume), "--root", str(sent.root)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_good_volume(sent: Sent) -> None:
    assert check(sent.volume, sent.root) == (
        0,
        "good: web sequence 1, full, volume 1 of 1, 3 files",
    )


def test_several_volumes(sent: Sent, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(sent.volume.read_bytes()[:-1])
    argv = [sys.executable, *map(str, (PROGRAM, sent.volume, bad, sent.volume))]
    argv += ["--root", str(sent.root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    words = [line.partition(": ")[2].partition(":")[0] for line in done.stdout.splitlines()[:3]]
    assert words == ["good", "refused", "good"]


@pytest.mark.parametrize("what", ["volume", "root", "openssl", "zstd", "time"])
def test_what_is_not_there_is_no_refusal(sent: Sent, tmp_path: Path, what: str) -> None:
    volume = tmp_path / "none" if what == "volume" else sent.volume
    root = tmp_path / "none" if what == "root" else sent.root
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in TOOLS:
        if tool != what:
            (tools / tool).symlink_to(shutil.which(tool) or "")
    if what == "time":
        argv = [sys.executable, *map(str, (PROGRAM, volume, "--root", root, "--at", "tomorrow"))]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "--at takes a time such as 2026-11-21T12:00:00Z" in done.stderr
        return
    code, said = check(volume, root, PATH=str(tools))
    assert code == 1
    assert said.startswith("cannot be checked: [Errno 2] No such file or directory: ")
    assert what in ("volume", "root") or what in said


# Ten damaged ones, and more.


def flipped(where: Callable[[bytes], int]) -> Callable[[Sent, Path], Path]:
    def change(sent: Sent, path: Path) -> Path:
        data = bytearray(sent.volume.read_bytes())
        data[where(bytes(data))] ^= 1
        path.write_bytes(data)
        return path

    return change


def truncated(sent: Sent, path: Path) -> Path:
    path.write_bytes(sent.volume.read_bytes()[:-1])
    return path


def appended(sent: Sent, path: Path) -> Path:
    path.write_bytes(sent.volume.read_bytes() + b"\0")
    return path


def swapped_metadata(sent: Sent, path: Path) -> Path:
    """The timestamp of the next sequence, which is good in itself."""
    forged = sent.forgery()
    name = "metadata/timestamp.json"
    forged.entries[name] = Forgery.of(sent.later).entries[name]
    return forged.write(path)


def one_signature_of_two(sent: Sent, path: Path) -> Path:
    forged = sent.forgery()
    forged.seal(sent.packer, sent.officers[0])
    return forged.write(path)


def one_officer_twice(sent: Sent, path: Path) -> Path:
    forged = sent.forgery()
    forged.seal(sent.packer, sent.officers[0], sent.officers[0])
    return forged.write(path)


def another_manifest(sent: Sent, path: Path) -> Path:
    """The packing host writes it, and signs all that it can."""
    forged = sent.forgery()
    forged.replace(MANIFEST, {"tool": "another"})
    forged.replace(forged.index_name, {"manifest": digest(forged.entries[MANIFEST])})
    forged.seal(sent.packer)
    return forged.write(path)


def another_frame(sent: Sent, path: Path, signer: CryptoSigner | None = None) -> Path:
    """Another file in the second segment, with an index that says so."""
    forged = sent.forgery()
    other = pack(path, [("app 1.0", [noise(2000, 7)])], reserved=forged.size)
    first, second = forged.index.segments[0].frames[0], other.index.segments[0]
    shift = first.size
    index = json.loads(other.index.to_bytes())
    start = forged.rest[: first.size]
    forged.rest = start + path.read_bytes()[forged.size :]
    (segment,) = index["segments"]
    segment["frames"][0]["offset"] += shift
    index["tail"]["offset"] += shift
    segments = [json.loads(forged.entries[forged.index_name])["segments"][0], segment]
    changed = {"segments": segments, "tail": index["tail"], "size": index["size"] + shift}
    forged.replace(forged.index_name, changed)
    assert second.blobs != forged.index.segments[0].blobs
    forged.seal(signer or sent.packer)
    return forged.write(path)


def a_frame_by_a_foreign_key(sent: Sent, path: Path) -> Path:
    return another_frame(sent, path, CryptoSigner.generate_ed25519())


def a_file_under_another_name(sent: Sent, path: Path) -> Path:
    """The packing host says that the file is another one than the frame has."""
    forged = sent.forgery()
    index = json.loads(forged.entries[forged.index_name])
    index["segments"][1]["blobs"][0]["sha256"] = "0" * 64
    forged.replace(forged.index_name, index)
    forged.seal(sent.packer)
    return forged.write(path)


def packing_that_officers_did_not_delegate(sent: Sent, path: Path) -> Path:
    forged = sent.forgery()
    targets = forged.signed("targets")
    targets["delegations"]["roles"][0]["paths"] = ["*"]
    forged.sign("targets", targets, *sent.officers)
    forged.seal_snapshot(sent.packer)
    return forged.write(path)


def nested(sent: Sent, path: Path) -> Path:
    forged = sent.forgery()
    forged.entries["metadata/timestamp.json"] = b"[" * 60_000
    return forged.write(path)


DAMAGED: dict[str, tuple[Callable[[Sent, Path], Path], str]] = {
    "magic": (flipped(lambda _: 0), "this is not a bundle volume"),
    "length": (flipped(lambda _: 7), "the head has "),
    "header": (flipped(lambda data: data.index(b"metadata/1.root.json")), "no plain tar header"),
    "signature": (
        flipped(lambda data: data.index(b'"sig":"', data.index(b"timestamp.json")) + 7),
        "metadata/timestamp.json",
    ),
    "manifest": (
        flipped(lambda data: data.index(b"bundler 0")),
        "manifest.json is not the one that was",
    ),
    "index": (flipped(lambda data: data.index(b"app 1.0")), "transport/web-000001.v01.json is not"),
    "room": (flipped(lambda _: (1 << 18) - 1), "bytes behind the last entry of the head"),
    "frame": (flipped(lambda _: (1 << 18) + 99), f"the frame at byte {1 << 18} is not as signed"),
    "tail": (flipped(lambda data: len(data) - 1), "is not as signed"),
    "truncated": (truncated, "is not as signed"),
    "appended": (appended, "the file does not end where it must"),
    "swapped": (swapped_metadata, "metadata/snapshot.json is not the one that was signed"),
    "one signature": (one_signature_of_two, "targets.json: 1 good signatures, 2 needed"),
    "one officer twice": (one_officer_twice, "targets.json: 1 good signatures, 2 needed"),
    "another manifest": (another_manifest, "manifest.json is not the one that was signed"),
    "foreign key": (a_frame_by_a_foreign_key, "timestamp.json: 0 good signatures, 1 needed"),
    "another file": (another_frame, "it brings files that nothing names"),
    "another name": (a_file_under_another_name, f"no {'0' * 64}"),
    "delegation": (packing_that_officers_did_not_delegate, "lets other things in"),
    "nested": (nested, "RecursionError"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_volume_is_refused(sent: Sent, tmp_path: Path, name: str) -> None:
    damage, why = DAMAGED[name]
    code, said = check(damage(sent, tmp_path / "volume"), sent.root)
    assert code == 4, said
    assert said.startswith("refused: ")
    assert why in said


def test_another_root(sent: Sent, tmp_path: Path) -> None:
    path = tmp_path / "root.json"
    path.write_bytes(make_stream(tmp_path / "other").root)
    code, said = check(sent.volume, path)
    assert (code, said) == (
        4,
        "refused: the head's root differs from the given one of that version",
    )


def test_a_root_that_is_none(sent: Sent) -> None:
    code, said = check(sent.volume, sent.volume)
    assert (code, said.partition(":")[0]) == (4, "refused")


@pytest.mark.parametrize(
    ("days", "role"), [(179, ""), (181, "timestamp"), (366, "timestamp"), (1900, "root")]
)
def test_dates(sent: Sent, days: int, role: str) -> None:
    at = (the_time() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    code, said = check(sent.volume, sent.root, "--at", at)
    assert code == (4 if role else 0)
    assert not role or f"{role}" in said.partition(" has expired on ")[0]


# Keys.


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=["P-256", "P-384"])
def test_keys_on_curves(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    """Their public keys have line breaks, which TUF signs as they are."""
    signer = CryptoSigner(ec.generate_private_key(curve))
    volume, root = sent_by(tmp_path, signer)
    assert check(volume, root)[0] == 0
    forged = Forgery.of(volume)
    document = json.loads(forged.entries["metadata/timestamp.json"])
    document["signed"]["version"] += 1
    forged.entries["metadata/timestamp.json"] = canonical(document)
    code, said = check(forged.write(tmp_path / "forged"), root)
    assert code == 4
    assert said.endswith("timestamp.json: 0 good signatures, 1 needed; a signature is bad")


def sent_by(folder: Path, *signers: CryptoSigner, threshold: int = 1) -> tuple[Path, Path]:
    stream = make_stream(folder, signers=signers, threshold=threshold)
    root = folder / "root.json"
    root.write_bytes(stream.root)
    return make_volume(folder / "volume", stream), root


# OpenSSL 3.5 as far as the program uses it, by the library that signs here.
_NEW_OPENSSL = """#!{python}
import sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
words = sys.argv[1:]
assert words[:4] == ["pkeyutl", "-verify", "-pubin", "-rawin"], words
read = lambda option: open(words[words.index(option) + 1], "rb").read()
data = read("-inkey")
key = (load_pem_public_key if data.startswith(b"-----") else load_der_public_key)(data)
try:
    key.verify(read("-sigfile"), read("-in"))
except InvalidSignature:
    sys.exit("Signature Verification Failure")
"""


def test_ml_dsa_with_an_openssl_that_knows_it(tmp_path: Path) -> None:
    tool = tmp_path / "tools" / "openssl"
    tool.parent.mkdir()
    tool.write_text(_NEW_OPENSSL.format(python=sys.executable))
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    volume, root = sent_by(
        tmp_path, CryptoSigner.generate_ed25519(), CryptoSigner.generate_mldsa(), threshold=2
    )
    assert check(volume, root, PATH=path)[0] == 0


def knows_ml_dsa() -> bool:
    listed = subprocess.run(
        ["openssl", "list", "-public-key-algorithms"], capture_output=True, text=True, check=False
    )
    return "ML-DSA" in listed.stdout


def test_a_signature_that_this_openssl_cannot_check_does_not_count(tmp_path: Path) -> None:
    hybrid = CryptoSigner.generate_ed25519(), CryptoSigner.generate_mldsa()
    code, said = check(*sent_by(tmp_path, *hybrid, threshold=2))
    if knows_ml_dsa():
        assert code == 0
    else:
        assert code == 4
        assert said == (
            "refused: the given root: 1 good signatures, 2 needed;"
            " this openssl cannot check 'ml-dsa-65/1'"
        )


# The chain of roots.


def rotated(
    sent: Sent,
    path: Path,
    *signers: CryptoSigner,
    version: int = 2,
    stream: str = "web",
    expires: str = "",
) -> Path:
    """The volume with a second root, in which the officers are the same."""
    forged = sent.forgery()
    signed = {**forged.signed("1.root"), "version": version, "x-bundler-stream": stream}
    signed["expires"] = expires or signed["expires"]
    forged.sign(f"{version}.root", signed, *signers)
    names = [name for name in forged.entries if name.endswith("root.json")]
    forged.replace(
        forged.index_name, {"head": {name: digest(forged.entries[name]) for name in names}}
    )
    forged.seal(sent.packer)
    return forged.write(path)


def test_a_chain_of_roots(sent: Sent, tmp_path: Path) -> None:
    good = rotated(sent, tmp_path / "good", *sent.officers)
    assert check(good, sent.root)[0] == 0
    newer = tmp_path / "newer.json"
    newer.write_bytes(Forgery.of(good).entries["metadata/2.root.json"])
    assert check(good, newer)[0] == 0
    assert check(sent.volume, newer)[0] == 0
    stranger = CryptoSigner.generate_ed25519()
    for number, (path, why) in enumerate(
        (
            (rotated(sent, tmp_path / "a", sent.officers[0]), "1 good signatures, 2 needed"),
            (rotated(sent, tmp_path / "b", stranger), "0 good signatures, 2 needed"),
            (rotated(sent, tmp_path / "c", *sent.officers, version=3), "a root is not the next"),
            (
                rotated(sent, tmp_path / "d", *sent.officers, stream="other"),
                "a root is not the next",
            ),
            (
                rotated(sent, tmp_path / "e", *sent.officers, expires="2020-01-01T00:00:00Z"),
                "the newest root has expired",
            ),
        )
    ):
        code, said = check(path, sent.root)
        assert (number, code) == (number, 4)
        assert why in said


def test_a_signature_of_an_unknown_kind_does_not_count(sent: Sent, tmp_path: Path) -> None:
    """Such as an identity's: its key has no public half, its signature another key."""
    forged = sent.forgery()
    root = forged.signed("1.root")
    root["keys"]["identity"] = {"keytype": "x", "scheme": "x", "keyval": {"identity": "ann"}}
    root["roles"]["root"]["keyids"].append("identity")
    for count, signers in ((2, sent.officers), (1, sent.officers[:1])):
        forged.sign("1.root", root, *signers)
        document = json.loads(forged.entries["metadata/1.root.json"])
        document["signatures"].append({"bundle": {}, "keyid": "identity", "sig": ""})
        path = tmp_path / f"{count}.json"
        path.write_bytes(canonical(document))
        forged.entries["metadata/1.root.json"] = path.read_bytes()
        forged.replace(
            forged.index_name,
            {"head": {"metadata/1.root.json": digest(path.read_bytes())}},
        )
        forged.seal(sent.packer)
        code, said = check(forged.write(tmp_path / "volume"), path)
        assert (code, said.endswith("1 good signatures, 2 needed")) == (
            (0, False) if count == 2 else (4, True)
        )


def test_one_key_under_two_ids_is_one(sent: Sent, tmp_path: Path) -> None:
    forged = sent.forgery()
    root = forged.signed("1.root")
    first = sent.officers[0].public_key.keyid
    root["keys"]["another"] = root["keys"][first]
    forged.sign("1.root", root, *sent.officers)
    path = tmp_path / "root.json"
    path.write_bytes(forged.entries["metadata/1.root.json"])
    code, said = check(sent.volume, path)
    assert code == 4
    assert "one public key stands under two ids" in said


# Both programs agree.


def accepted_by_bundle(volume: Path, root: bytes) -> bool:
    try:
        verify([volume], anchor_from_root(root), pipe=BytesIO(), observe=ignore)
    except BundlerError as error:
        assert error.exit_code == 4, error  # noqa: PT017 - only refusals are answers
        return False
    return True


def mutants(sent: Sent, folder: Path) -> Iterator[Path]:
    """Every forgery that `bundle verify` judges, and bytes changed at random."""
    beyond = ("another file", "another name")  # seen when files are decompressed: by `unpack`
    for name, (damage, _) in DAMAGED.items():
        if name not in beyond:
            yield damage(sent, folder / f"{name}.volume")
    yield sent.volume
    yield rotated(sent, folder / "rotated", *sent.officers)
    chosen = random.Random(5)  # noqa: S311 - the same each time
    good = sent.volume.read_bytes()
    used = len(good.rstrip(b"\0"))
    entries = good.index(b"transport/") + 2000
    for number in range(30):
        data = bytearray(good)
        position = chosen.randrange(entries if number % 3 else used)
        kind = chosen.randrange(3)
        if kind == 0:
            data[position] ^= 1 << chosen.randrange(8)
        elif kind == 1:
            data[position : position + 1] = b""
        else:
            data[position:position] = chosen.randbytes(3)
        path = folder / f"{number}.volume"
        path.write_bytes(data)
        yield path


def test_both_programs_agree(sent: Sent, tmp_path: Path) -> None:
    root = sent.root.read_bytes()
    found = [
        (path.name, check(path, sent.root)[0] == 0, accepted_by_bundle(path, root))
        for path in mutants(sent, tmp_path)
    ]
    assert [each for each in found if each[1] != each[2]] == []
    assert sum(good for _, good, _ in found) >= 2
    assert len(found) > 45


# Sets of volumes, plain tars, parts of files.


def sent_in(folder: Path, form: Form, *, cut: bool) -> Sent:
    first, second, packer = (CryptoSigner.generate_ed25519() for _ in range(3))
    stream = make_stream(folder, signers=[first, second], threshold=2, packing=packer)
    root = folder / "root.json"
    root.write_bytes(stream.root)
    volumes = [make_volume(folder / name, stream, form=form, cut=cut) for name in ("good", "later")]
    return Sent(volumes[0], volumes[1], root, (first, second), packer)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    return sent_in(tmp_path_factory.mktemp("plain"), "tar", cut=False)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    return sent_in(tmp_path_factory.mktemp("cut"), "tar", cut=True)


def test_a_plain_tar(plain: Sent) -> None:
    assert check(plain.volume, plain.root) == (
        0,
        "good: web sequence 1, full, volume 1 of 1, 3 files",
    )


def test_parts_of_a_file(cut: Sent, tmp_path: Path) -> None:
    good = (0, "good: web sequence 1, full, volume 1 of 1, 4 files")
    assert check(cut.volume, cut.root) == good
    packed = sent_in(tmp_path, "zst", cut=True)
    assert check(packed.volume, packed.root) == good


def changed_index(change: Callable[[Any, str], None]) -> Callable[[Sent, Path], Path]:
    """The packing host says something else of the volume."""

    def damage(sent: Sent, path: Path) -> Path:
        forged = sent.forgery()
        index = json.loads(forged.entries[forged.index_name])
        change(index, next(iter(index["slices"]), ""))
        forged.replace(forged.index_name, index)
        forged.seal(sent.packer)
        return forged.write(path)

    return damage


def changed_set(changed: dict[str, Any]) -> Callable[[Sent, Path], Path]:
    """The packing host says something else of the set."""

    def damage(sent: Sent, path: Path) -> Path:
        forged = sent.forgery()
        forged.replace(forged.set_name, changed)
        forged.seal(sent.packer)
        return forged.write(path)

    return damage


def set_of_another(sent: Sent, path: Path) -> Path:
    """Not signed by anybody."""
    forged = sent.forgery()
    forged.replace(forged.set_name, {"kind": "resend"})
    return forged.write(path)


def longer_than_said(index: Any, _: str) -> None:
    index["segments"][0]["frames"][0]["length"] += 1


def part_of_another(index: Any, part: str) -> None:
    index["slices"][part]["whole"]["sha256"] = "0" * 64


def beyond_the_end(index: Any, part: str) -> None:
    index["slices"][part]["offset"] += 3000


def part_as_large_as_the_whole(index: Any, part: str) -> None:
    sizes = {each["sha256"]: each["size"] for each in index["segments"][1]["blobs"]}
    index["slices"][part] |= {"offset": 0, "whole": {"sha256": "0" * 64, "size": sizes[part]}}


def part_that_is_not_there(index: Any, part: str) -> None:
    index["slices"]["0" * 64] = index["slices"][part]


IN_TAR: dict[str, tuple[Callable[[Sent, Path], Path], str]] = {
    "name": (flipped(lambda _: 1), "this is not a bundle volume"),
    "size": (flipped(lambda _: 130), "this is not a bundle volume"),
    "mode": (flipped(lambda _: 103), "this is not a bundle volume"),
    "header": (flipped(lambda data: data.index(b"metadata/1.root.json")), "no plain tar header"),
    "manifest": (flipped(lambda data: data.index(b"bundler 0")), "manifest.json is not the one"),
    "set": (set_of_another, "transport/web-000001.set.json is not the one that was signed"),
    "room": (flipped(lambda _: (1 << 18) - 1), "bytes behind the last entry of the head"),
    "first run": (flipped(lambda _: 1 << 18), f"the frame at byte {1 << 18} is not as signed"),
    "zeros": (flipped(lambda data: len(data) - 1), "is not as signed"),
    "truncated": (truncated, "is not as signed"),
    "appended": (appended, "the file does not end where it must"),
    "another name": (a_file_under_another_name, f"no {'0' * 64}"),
    "length": (changed_index(longer_than_said), f"the frame at byte {1 << 18} is not as signed"),
    "form": (
        changed_index(lambda index, _: index.update(form="zst")),
        "transport/web-000001.v01.json does not fit",
    ),
    "volumes": (
        changed_index(lambda index, _: index.update(volumes=2)),
        "transport/web-000001.v01.json does not fit",
    ),
    "yes for one": (
        changed_index(lambda index, _: index.update(volumes=True)),
        "transport/web-000001.v01.json does not fit",
    ),
    "manifest of set": (
        changed_set({"manifest": "0" * 64}),
        "transport/web-000001.set.json does not fit",
    ),
    "sequence of set": (changed_set({"sequence": 2}), "transport/web-000001.set.json does not fit"),
    "size in set": (
        changed_set({"volumes": [{"size": 1, "parity": False, "projects": []}]}),
        "transport/web-000001.v01.json does not fit",
    ),
    "no volumes": (changed_set({"volumes": []}), "1 where a number belongs"),
    "kind": (changed_set({"kind": "half"}), "the set is a half"),
    "delta on nothing": (changed_set({"kind": "delta"}), "the set is a delta"),
    "delta on itself": (
        changed_set({"kind": "delta", "base": {"sequence": 1, "manifest": "0" * 64}}),
        "1 where a number belongs",
    ),
}

IN_PARTS: dict[str, tuple[Callable[[Sent, Path], Path], str]] = {
    "another": (changed_index(part_of_another), "it brings files that nothing names"),
    "end": (changed_index(beyond_the_end), "is no part"),
    "whole": (changed_index(part_as_large_as_the_whole), "is no part"),
    "absent": (changed_index(part_that_is_not_there), "is no part"),
    "none": (
        changed_index(lambda index, _: index.update(slices={})),
        "it brings files that nothing names",
    ),
    "below 0": (
        changed_index(lambda index, part: index["slices"][part].update(offset=-1)),
        "-1 where a number belongs",
    ),
    "byte": (flipped(lambda data: len(data) - 3000), "is not as signed"),
}


@pytest.mark.parametrize("name", IN_TAR)
def test_a_damaged_tar_is_refused(plain: Sent, tmp_path: Path, name: str) -> None:
    damage, why = IN_TAR[name]
    code, said = check(damage(plain, tmp_path / "volume"), plain.root)
    assert (code, said.partition(": ")[0]) == (4, "refused")
    assert why in said


@pytest.mark.parametrize("name", IN_PARTS)
def test_damaged_parts_are_refused(cut: Sent, tmp_path: Path, name: str) -> None:
    damage, why = IN_PARTS[name]
    code, said = check(damage(cut, tmp_path / "volume"), cut.root)
    assert (code, said.partition(": ")[0]) == (4, "refused")
    assert why in said


def test_a_resend_without_documents(tmp_path: Path) -> None:
    packer = CryptoSigner.generate_ed25519()
    stream = make_stream(tmp_path, packing=packer)
    root = tmp_path / "root.json"
    root.write_bytes(stream.root)
    forged = Forgery.of(make_volume(tmp_path / "volume", stream, documents=False))
    forged.replace(forged.set_name, {"kind": "resend"})
    forged.seal(packer)
    code, said = check(forged.write(tmp_path / "volume"), root)
    assert (code, said) == (
        0,
        "good: web sequence 1, resend, volume 1 of 1, 1 files, but not all project documents",
    )


def test_a_delta_of_which_volumes_are_missing(sent: Sent, tmp_path: Path) -> None:
    forged = Forgery.of(sent.later)
    (one,) = json.loads(forged.entries[forged.set_name])["volumes"]
    base = {"sequence": 1, "manifest": "0" * 64}
    forged.replace(forged.set_name, {"kind": "delta", "base": base, "volumes": [one] * 3})
    forged.replace(forged.index_name, {"volumes": 3})
    forged.seal(sent.packer)
    volume = forged.write(tmp_path / "volume")
    argv = [sys.executable, str(PROGRAM), str(volume), str(volume), "--root", str(sent.root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    good = f"{volume}: good: web sequence 2, delta on sequence 1, volume 1 of 3, 3 files"
    missing = "not seen: volumes 2, 3 of web sequence 2, delta on sequence 1"
    assert done.returncode == 0
    assert done.stdout.splitlines()[:3] == [good, good, missing]


def test_a_folder_is_refused(sent: Sent, tmp_path: Path) -> None:
    assert check(tmp_path, sent.root) == (
        4,
        "refused: a folder: check it by hand, as docs/verify-by-hand.md says",
    )
