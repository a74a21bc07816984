"""A second opinion on the volumes of `bundle`: another program, which shares no code with it.

    python3 verify.py VOLUME ... --root root.json [--at 2026-11-21T12:00:00Z]

The root is what `bundle trust export` wrote, and was compared before. Needed: Python 3.9, zstd and
OpenSSL 3; for ML-DSA 3.5. A signature that this openssl cannot check does not count. Ends with 0 if
all volumes are good, 4 if one is refused, 1 if one cannot be checked, 2 if called wrongly.

Checked: the head, the chain of roots from the given one, signatures, thresholds, lengths, digests
and dates; manifest and index; each frame before it is decompressed, each file behind it, and that
the manifest or a project document names that file. Not checked: whether a newer sequence was seen
before (nothing is remembered), attestations, and what is inside of wheels.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO

BLOCK, HEAD_LIMIT, FRAME_LIMIT, PIECE = 512, 33_554_432, 256_065_536, 67_108_864
ROLES = {"timestamp": 65_536, "snapshot": 2_000_000, "targets": 5_000_000, "packing": 5_000_000}
SPELLING: dict[str, Any] = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
ROOT = re.compile(r"metadata/([1-9]\d{0,8})\.root\.json", re.ASCII)
FILE = r"[a-z0-9.-]+\.json"
NAME = re.compile(rf"(bundler-volume)|(metadata/{FILE})|(manifest\.json)|(transport/{FILE})")
BLOB = re.compile(r'"sha256":"([0-9a-f]{64})","size":([0-9]+)')  # in canonical JSON
SCHEME = re.compile(r"ed25519|ecdsa-sha2-nistp(256|384)|ml-dsa-(?:65|87)/1")


def need(condition: object, otherwise: str) -> None:
    """Refuse unless the condition holds."""
    if not condition:
        raise ValueError(otherwise)


def number(value: Any, least: int = 0, most: int = 10**15) -> int:
    """An integer of JSON within bounds: not `true`, not 1.0."""
    need(type(value) is int and least <= value <= most, f"{value!r:.40} where a number belongs")
    return int(value)


def read(data: bytes, what: str, limit: int = HEAD_LIMIT) -> Any:
    """A document in its one spelling (RFC 8785); a float, which none has, makes it another one."""
    need(len(data) <= limit, f"{what} is too long")
    value = json.loads(data, parse_float=str, parse_constant=str)
    same = type(value) is dict and json.dumps(value, **SPELLING).encode() == data
    need(same, f"{what} is not canonical JSON")
    return value


def header(name: str, size: int) -> bytes:
    """The tar header of a regular file: there is one for a name and a size."""
    front = name.encode("ascii").ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
    front += b"%011o\0" % size + b"0" * 11 + b"\0"
    back = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
    return front + b"%06o\0 " % (sum(front) + sum(back) + 8 * 32) + back


def read_head(file: BinaryIO) -> tuple[dict[str, bytes], int]:
    """The documents in front of a volume, and the offset of the first byte behind them."""
    prefix = file.read(8)
    need(prefix[:4] == b"\x50\x2a\x4d\x18", "this is not a bundle volume")
    length = int.from_bytes(prefix[4:], "little")
    data, entries, at, last = file.read(min(length, HEAD_LIMIT - 8)), dict[str, bytes](), 0, (0, "")
    need(len(data) == length, f"the head has {len(data)} of {length} bytes, {HEAD_LIMIT} at most")
    while at < length and data[at]:
        name = data[at : at + 100].split(b"\0")[0].decode("ascii")
        size = number(int(data[at + 124 : at + 135], 8), 0, HEAD_LIMIT)
        need(data[at : at + BLOCK] == header(name, size), f"no plain tar header at byte {at + 8}")
        found, end = NAME.fullmatch(name), at + BLOCK + size
        place = (found.lastindex or 0, name) if found else last
        need(place > last, f"{name!r} is not what may stand here in a head")
        entries[name], last, at = data[at + BLOCK : end], place, end + -end % BLOCK
        need(at <= length and not data[end:at].strip(b"\0"), f"{name} does not end as it must")
    need(not data[at:].strip(b"\0"), "there are bytes behind the last entry of the head")
    need(entries.pop("bundler-volume", b"") == b"1\n", "this is not a volume of format 1")
    return entries, length + 8


def fault(key: Any, signature: bytes, message: bytes) -> str:
    """What is wrong with a signature, in words; empty when `key`, in TUF's form, has made it."""
    scheme, public = key["scheme"], key["keyval"].get("public", "")
    raw = bytes.fromhex("302a300506032b6570032100" + public) if scheme == "ed25519" else b""
    if "ml-dsa" in scheme:  # TUF signs a digest with it (TAP 21)
        message = b"tuf\x01" + hashlib.sha512(message).digest()
    known, command = SCHEME.fullmatch(scheme), ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin"]
    command += ["-digest", f"sha{known[1]}"] if known and known[1] else []
    with tempfile.TemporaryDirectory() as folder:
        files = {"-inkey": raw or public.encode(), "-in": message, "-sigfile": signature}
        for option, data in files.items():
            Path(folder, option).write_bytes(data)
            command += [option, str(Path(folder, option))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if known and done.returncode == 0:
        return ""
    bad = "Signature Verification Failure" in done.stdout
    return "a signature is bad" if bad else f"this openssl cannot check {scheme!r:.40}"


def open_role(data: bytes, role: str, name: str, now: str, *judges: Any) -> Any:
    """The signed part of a role's metadata; each of `judges`, a root its own one, must agree."""
    document = read(data, name, ROLES.get(role, 512_000))
    signed, kind = document["signed"], "targets" if role == "packing" else role
    usual = signed["_type"] == kind and re.match(r"1\.", signed["spec_version"])
    need(usual and set(document) == {"signatures", "signed"}, f"{name} is no metadata of {role}")
    plain = re.compile(r"\\(u....|[^\"\\])|\\.")  # TUF escapes nothing but quotes and backslashes
    text = json.dumps(signed, **SPELLING)
    text = plain.sub(lambda m: json.loads(f'"{m[0]}"') if m[1] else m[0], text)
    for judge in (*judges, *([signed] if role == "root" else [])):
        keys, ids = judge["keys"], judge["roles"][role]["keyids"]
        least, good, faults = number(judge["roles"][role]["threshold"], 1), set[str](), set[str]()
        publics = [str(key["keyval"].get("public", keyid)) for keyid, key in keys.items()]
        different = {"".join(public.split()).lower() for public in publics}
        need(len(different) == len(keys), f"{name}: one public key stands under two ids")
        for each in document["signatures"]:
            usual = re.fullmatch("([0-9a-f]{2})*", each["sig"]) and len(each) == 2
            if usual and each["keyid"] in ids:
                wrong = fault(keys[each["keyid"]], bytes.fromhex(each["sig"]), text.encode())
                (faults if wrong else good).add(wrong or each["keyid"])
        why = "; ".join([f"{name}: {len(good)} good signatures, {least} needed", *sorted(faults)])
        # No digest covers the timestamp, so all that stands in it must be vouched for.
        spare = role == "timestamp" and len(good) < len(document["signatures"])
        need(len(good) >= least and not spare, why)
    need(TIME.fullmatch(signed["expires"]) and number(signed["version"], 1), f"{name} has no date")
    need(now < signed["expires"], f"{name} has expired on {signed['expires']}; it is {now}")
    return signed


def newest_root(head: dict[str, bytes], given: bytes, now: str) -> Any:
    """Follow the chain from the given root: each is signed by the one before and by itself."""
    root = open_role(given, "root", "the given root", "")
    named = {int(m[1]): m[0] for m in map(ROOT.fullmatch, head) if m}
    later = sorted(version for version in named if version > root["version"])
    same = head.get(named.get(root["version"], ""), given) == given
    need(same and len(later) <= 256, "the head's root differs from the given one of that version")
    for version in later:
        old, root = root, open_role(head[named[version]], "root", named[version], "", root)
        same = root["x-bundler-stream"] == old["x-bundler-stream"]
        need(same and root["version"] == version == old["version"] + 1, "a root is not the next")
    need(now < root["expires"], f"the newest root has expired on {root['expires']}; it is {now}")
    return root


def check_digest(data: bytes, named: Any, what: str) -> None:
    """Refuse what is not the file that signed metadata names."""
    same = named["hashes"]["sha256"] == hashlib.sha256(data).hexdigest()
    need(same and named["length"] == len(data), f"{what} is not the one that was signed")


def check_head(head: dict[str, bytes], given: bytes, now: str) -> Any:
    """The manifest and the index of a volume, after all entries of its head were vouched for."""
    judge = root = newest_root(head, given, now)
    transport = [name for name in head if name.startswith("transport/")]
    index_name, set_name = sorted(transport, key=lambda name: name.endswith(".set.json"))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in head.items()}
    roots = {name: digest for name, digest in digests.items() if ROOT.fullmatch(name)}
    known = {"manifest.json", *transport, *(f"metadata/{role}.json" for role in ROLES), *roots}
    need(known == set(head), "the head has other entries than it must")
    found: dict[str, Any] = {"": {"meta": {}}}
    for role, above in zip(ROLES, ("", "timestamp", "snapshot", "snapshot")):
        name, named = f"metadata/{role}.json", found[above]["meta"].get(f"{role}.json", {})
        if above:
            check_digest(head[name], named, name)
        signed = found[role] = open_role(head[name], role, name, now, judge)
        need(not above or signed["version"] == named["version"], f"{name} has another version")
        if role == "targets":
            (rule,), only = signed["delegations"]["roles"], list(signed["targets"])
            judge = {"keys": signed["delegations"]["keys"], "roles": {rule["name"]: rule}}
            only += rule["paths"]
            need(only == ["manifest.json", "transport/*"], f"{name} lets other things in")
    check_digest(head["manifest.json"], found["targets"]["targets"]["manifest.json"], "manifest")
    for name in transport:
        check_digest(head[name], found["packing"]["targets"][name], name)
    read_all = [read(head[name], name) for name in ("manifest.json", index_name, set_name)]
    manifest, index, volumes = read_all
    stream, sequence = root["x-bundler-stream"], found["targets"]["version"]
    said = [(number(d["format"]), d["stream"], number(d["sequence"])) for d in read_all]
    need(said == [(1, stream, sequence)] * 3, "a document is of another format, stream or sequence")
    start = f"transport/{stream}-{sequence:06}"
    name = f"{start}.v{number(index['volume'], 1):02}.json"
    same = index["manifest"] == volumes["manifest"] == digests["manifest.json"]
    same = same and index["head"] == roots and [index_name, set_name] == [name, f"{start}.set.json"]
    need(same, f"{index_name} is of another volume, manifest or root")
    least, sizes = number(index["volume"], 1) - 1, [each["size"] for each in volumes["volumes"]]
    same = number(index["volumes"]) == len(sizes) and sizes[least] == index["size"]
    need(same, f"{index_name} is not the volume that {set_name} names")
    return manifest, index


def check_files(file: BinaryIO, at: int, manifest: Any, index: Any) -> str:
    """Every byte behind the head: hashed, decompressed, compared; then words for people."""
    known, brought = set(BLOB.findall(json.dumps(manifest, **SPELLING))), set[Any]()
    documents = set(BLOB.findall(json.dumps(manifest["projects"], **SPELLING)))
    for segment in (*index["segments"], {"blobs": [], "frames": [index["tail"]]}):
        with tempfile.TemporaryFile() as spool:
            for frame in segment["frames"]:
                data = file.read(number(frame["size"], 1, FRAME_LIMIT))
                same = frame["sha256"] == hashlib.sha256(data).hexdigest()
                need(same and frame["offset"] == at, f"the frame at byte {at} is not as signed")
                at += spool.write(data)
            spool.seek(0)
            with subprocess.Popen(["zstd", "-dcqq"], stdin=spool, stdout=subprocess.PIPE) as zstd:
                tar: Any = zstd.stdout
                for name, size in ((b["sha256"], number(b["size"])) for b in segment["blobs"]):
                    digest, part = hashlib.sha256(), b""
                    need(tar.read(BLOCK) == header(f"blobs/sha256/{name}", size), f"no {name}")
                    for left in range(size, 0, -PIECE):
                        digest.update(part := tar.read(min(left, PIECE)))
                    padded = not tar.read(-size % BLOCK).strip(b"\0")
                    need(padded and digest.hexdigest() == name, f"{name} is not as signed")
                    brought.add((name, str(size)))
                    if (name, str(size)) in documents:
                        known.update(BLOB.findall(part.decode()))
                end = b"" if segment["blobs"] else bytes(1024)
                need(tar.read(1025) == end, f"the segment that ends at byte {at} is too long")
            need(zstd.returncode == 0, f"the segment that ends at byte {at} does not decompress")
    need(at == index["size"] and not file.read(1), "the file does not end where it must")
    # Where the documents are in another volume, the files cannot be held against them here.
    need(not documents <= brought or brought <= known, "it brings files that nothing names")
    words = f"good: {manifest['stream']} sequence {manifest['sequence']}, {len(brought)} files"
    return words if documents <= brought else f"{words}, but not all project documents"


def main() -> int:
    """Check the volumes that are named on the command line."""
    parser = argparse.ArgumentParser(epilog="--at TIME: judge dates by this time, not the clock's")
    parser.add_argument("volumes", nargs="+", type=Path, metavar="VOLUME")
    parser.add_argument("--root", required=True, type=Path, help="what `bundle trust export` wrote")
    parser.add_argument("--at", default=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    asked, code = parser.parse_args(), 0
    if not TIME.fullmatch(asked.at):
        parser.error("--at takes a time such as 2026-11-21T12:00:00Z")
    for path in asked.volumes:
        try:
            with path.open("rb") as file:
                head, start = read_head(file)
                manifest, index = check_head(head, asked.root.read_bytes(), asked.at)
                said = check_files(file, start, manifest, index)
        except (OSError, subprocess.SubprocessError) as error:
            said, code = f"cannot be checked: {error}", max(code, 1)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            said, code = f"refused: {error if type(error) is ValueError else repr(error)}", 4
        print(re.sub(r"[^ -~]", "?", f"{path}: {said}"))
    print("not checked: whether a newer sequence was seen before, attestations, insides of wheels")
    return code


if __name__ == "__main__":
    sys.exit(main())
