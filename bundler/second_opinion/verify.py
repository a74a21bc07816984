"""A second opinion on the volumes of `bundle`: another program, which shares no code with it.

    python3 verify.py VOLUME ... --root root.json [--at 2026-11-21T12:00:00Z]

The root is what `bundle trust export` wrote, and was compared before. Needed: Python 3.9, zstd and
OpenSSL 3; for ML-DSA 3.5. A signature that this openssl cannot check does not count. Ends with 0 if
all volumes are good, 4 if one is refused, 1 if one cannot be checked, 2 if called wrongly. What is
checked and what is not: docs/verify-by-hand.md, which is also the way to check a folder.
"""

import argparse
import hashlib
import json
import re
import tempfile
import time
from pathlib import Path
from subprocess import PIPE, Popen, SubprocessError, run
from typing import Any, BinaryIO

BLOCK, HEAD_LIMIT, FRAME_LIMIT, PIECE = 512, 33_554_432, 256_065_536, 67_108_864
ROLES = {"timestamp": 65_536, "snapshot": 2_000_000, "targets": 5_000_000, "packing": 5_000_000}
RFC8785: dict[str, Any] = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
ROOT = re.compile(r"metadata/([1-9]\d{0,8})\.root\.json", re.ASCII)
NAME = re.compile(r"bundler-volume|manifest\.json|(metadata|transport)/[a-z0-9.-]+\.json")
BLOB = re.compile(r'"sha256":"([0-9a-f]{64})","size":([0-9]+)')  # in canonical JSON
SCHEME = re.compile(r"ed25519|ecdsa-sha2-nistp(256|384)|ml-dsa-(?:65|87)/1")  # a digest's: TAP 21


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
    need(json.dumps(value, **RFC8785).encode() == data, f"{what} is not canonical JSON")
    return value


def header(name: str, size: int) -> bytes:
    """The tar header of a regular file: there is one for a name and a size."""
    front = name.encode("ascii").ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
    front += b"%011o\0" % size + b"0" * 11 + b"\0"
    back = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
    return front + b"%06o\0 " % (sum(front) + sum(back) + 8 * 32) + back


def read_head(file: BinaryIO) -> tuple[dict[str, bytes], int, str]:
    """The documents in front of a volume, the offset of the first byte behind them, its form."""
    front = file.read(8)
    plain, entries = front == b"head.tar", dict[str, bytes]()
    front += file.read(BLOCK - 8) if plain else b""
    length = number(int(front[124:135], 8) if plain else int.from_bytes(front[4:], "little"))
    right = header("head.tar", length // BLOCK * BLOCK) if plain else b"P*M\x18" + front[4:]
    need(front == right, "this is not a bundle volume")
    data, at, last = file.read(min(length, HEAD_LIMIT - 8)), 0, ("", False, "")
    need(len(data) == length, f"the head has {len(data)} of {length} bytes, {HEAD_LIMIT} at most")
    while at < length and data[at]:
        name = data[at : at + 100].split(b"\0")[0].decode("ascii")
        size = number(int(data[at + 124 : at + 135], 8), 0, HEAD_LIMIT)
        need(data[at : at + BLOCK] == header(name, size), f"no plain tar header at byte {at} of it")
        place, end = (name[0], name == "manifest.json", name), at + BLOCK + size
        need(NAME.fullmatch(name) and place > last, f"{name!r} may not stand here in a head")
        entries[name], last, at = data[at + BLOCK : end], place, end + -end % BLOCK
        need(at <= length and not data[end:at].strip(b"\0"), f"{name} does not end as it must")
    need(not data[at:].strip(b"\0"), "there are bytes behind the last entry of the head")
    need(entries.pop("bundler-volume", b"") == b"1\n", "this is not a volume of format 1")
    return entries, len(front) + length, "tar" if plain else "zst"


def fault(key: Any, sig: bytes, message: bytes) -> str:
    """What is wrong with a signature, in words; empty when `key`, in TUF's form, has made it."""
    scheme, public = key["scheme"], key["keyval"].get("public", "")
    raw = bytes.fromhex("302a300506032b6570032100" + public) if scheme == "ed25519" else b""
    message = b"tuf\x01" + hashlib.sha512(message).digest() if "ml-dsa" in scheme else message
    known, command = SCHEME.fullmatch(scheme), ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin"]
    command += ["-digest", f"sha{known[1]}"] if known and known[1] else []
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("-inkey", raw or public.encode()), ("-in", message), ("-sigfile", sig)):
            Path(folder, name).write_bytes(data)
            command += [name, str(Path(folder, name))]
        done = run(command, capture_output=True, text=True, check=False)
    bad = "Signature Verification Failure" in done.stdout
    why = "a signature is bad" if bad else f"this openssl cannot check {scheme!r:.40}"
    return why if done.returncode or not known else ""


def open_role(data: bytes, role: str, name: str, now: str, *judges: Any) -> Any:
    """The signed part of a role's metadata; each of `judges`, a root its own one, must agree."""
    file = read(data, name, ROLES.get(role, 512_000))
    signed, kind = file["signed"], "targets" if role == "packing" else role
    usual = signed["_type"] == kind and re.match(r"1\.", signed["spec_version"])
    need(usual and set(file) == {"signatures", "signed"}, f"{name} is no metadata of {role}")
    plain = re.compile(r"\\(u....|[^\"\\])|\\.")  # TUF escapes nothing but quotes and backslashes
    text = json.dumps(signed, **RFC8785)
    text = plain.sub(lambda m: json.loads(f'"{m[0]}"') if m[1] else m[0], text)
    for judge in (*judges, *([signed] if role == "root" else [])):
        keys, rule, good, faults = judge["keys"], judge["roles"][role], set[str](), set[str]()
        # No digest covers the timestamp, so all that stands in it must be vouched for.
        least = max(number(rule["threshold"], 1), len(file["signatures"]) * (role == "timestamp"))
        seen = {"".join(str(k["keyval"].get("public", k)).split()).lower() for k in keys.values()}
        need(len(seen) == len(keys), f"{name}: one public key stands under two ids")
        for each in file["signatures"]:
            usual = re.fullmatch("([0-9a-f]{2})*", each["sig"]) and len(each) == 2
            if usual and each["keyid"] in rule["keyids"]:
                wrong = fault(keys[each["keyid"]], bytes.fromhex(each["sig"]), text.encode())
                (faults if wrong else good).add(wrong or each["keyid"])
        why = "; ".join([f"{name}: {len(good)} good signatures, {least} needed", *sorted(faults)])
        need(len(good) >= least, why)
    until = signed["expires"]
    need(TIME.fullmatch(until) and now < until, f"{name} has expired on {until}; it is {now}")
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


def check_head(head: dict[str, bytes], form: str, given: bytes, now: str) -> tuple[Any, Any, Any]:
    """Manifest and index, after all entries of a head were vouched for; which set, in words."""
    judge = root = newest_root(head, given, now)
    names = ["manifest.json", *(name for name in head if name.startswith("transport/"))]
    found, metadata = list[Any](), [f"metadata/{role}.json" for role in ROLES]
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in head.items()}
    roots = {name: digest for name, digest in digests.items() if ROOT.fullmatch(name)}
    need({*names, *metadata, *roots} == set(head) and len(names) == 3, "an entry lacks or is spare")
    for role, name in zip(ROLES, metadata):
        found.append(signed := open_role(head[name], role, name, now, judge))
        if role == "targets":
            (rule,), only = signed["delegations"]["roles"], list(signed["targets"])
            judge = {"keys": signed["delegations"]["keys"], "roles": {rule["name"]: rule}}
            need(only + rule["paths"] == [names[0], "transport/*"], f"{name} lets other things in")
    timestamp, snapshot, targets, packing = found
    above = [timestamp["meta"], snapshot["meta"], snapshot["meta"], targets["targets"]]
    for name, facts in zip((*metadata[1:], *names), (*above, *[packing["targets"]] * 2)):
        fact = facts[name.replace("metadata/", "")]
        same = (fact["hashes"]["sha256"], fact["length"]) == (digests[name], len(head[name]))
        need(same, f"{name} is not the one that was signed")
    manifest, volumes, index = documents = [read(head[name], name) for name in names]
    stream, sequence, every = root["x-bundler-stream"], targets["version"], volumes["volumes"]
    volume, prefix = number(index["volume"], 1, len(every)), f"transport/{stream}-{sequence:06}"
    must: Any = {"format": 1, "stream": stream, "sequence": sequence}
    tied = {"manifest": digests["manifest.json"]}
    others = {"form": form, "head": roots, "volumes": len(every), "size": every[volume - 1]["size"]}
    for name, doc, more in zip(names, documents, ({}, tied, others)):
        must |= more
        need(json.dumps({**doc, **must}, **RFC8785).encode() == head[name], f"{name} does not fit")
    need(names[1:] == [f"{prefix}.set.json", f"{prefix}.v{volume:02}.json"], "a name is another's")
    kind, base = volumes["kind"], volumes["base"]
    kind += "" if base is None else f" on sequence {number(base['sequence'], 1, sequence - 1)}"
    need(re.fullmatch(r"full|resend|delta on sequence \d+", kind), f"the set is a {kind}")
    return manifest, index, (f"{stream} sequence {sequence}, {kind}", digests[names[1]])


def check_files(file: BinaryIO, at: int, manifest: Any, index: Any) -> str:
    """Every byte behind the head: hashed, decompressed, compared; then words for people."""
    known, brought = set(BLOB.findall(json.dumps(manifest, **RFC8785))), dict[str, str]()
    documents = dict(BLOB.findall(json.dumps(manifest["projects"], **RFC8785)))
    plain, slices, wholes = index["form"] == "tar", index["slices"], set[Any]()
    for segment in (*index["segments"], {"blobs": [], "frames": [index["tail"]]}):
        with tempfile.TemporaryFile() as spool:
            for frame in segment["frames"]:
                data = file.read(number(frame["size"], 1, FRAME_LIMIT))
                same = frame["sha256"] == hashlib.sha256(data).hexdigest() and frame["offset"] == at
                same = same and (not plain or frame["length"] == len(data))
                need(same, f"the frame at byte {at} is not as signed")
                at += spool.write(data)
            spool.seek(0)
            source: Any = spool if plain else Popen(["zstd", "-dcqq"], stdin=spool, stdout=PIPE)
            with source:
                tar = spool if plain else source.stdout
                for name, size in ((b["sha256"], number(b["size"])) for b in segment["blobs"]):
                    digest, part = hashlib.sha256(), b""
                    need(tar.read(BLOCK) == header(f"blobs/sha256/{name}", size), f"no {name}")
                    for left in range(size, 0, -PIECE):
                        digest.update(part := tar.read(min(left, PIECE)))
                    padded = not tar.read(-size % BLOCK).strip(b"\0")
                    need(padded and digest.hexdigest() == name, f"{name} is not as signed")
                    brought[name] = str(size)
                    known.update(BLOB.findall(part.decode()) if name in documents else ())
                end = bytes(0 if segment["blobs"] else 1024)
                need(tar.read(1025) == end, f"the segment before byte {at} is too long")
            need(plain or source.returncode == 0, f"the segment before byte {at} is not zstd")
    need(at == index["size"] and not file.read(1), "the file does not end where it must")
    for name, part in slices.items():
        size, whole = int(brought.get(name, "0")), part["whole"]
        need(
            0 < size < number(whole["size"]) >= number(part["offset"]) + size, f"{name} is no part"
        )
        wholes.add((whole["sha256"], str(whole["size"])))
    wholes.update(blob for blob in brought.items() if blob[0] not in slices)
    alone = documents.items() <= brought.items()  # else nothing says here what the files must be
    need(not alone or wholes <= known, "it brings files that nothing names")
    words = f"volume {index['volume']} of {index['volumes']}, {len(brought)} files"
    return words if alone else f"{words}, but not all project documents"


def main() -> int:
    """Check the volumes that are named on the command line."""
    parser = argparse.ArgumentParser(epilog="--at TIME: judge dates by this time, not the clock's")
    parser.add_argument("volumes", nargs="+", type=Path, metavar="VOLUME")
    parser.add_argument("--root", required=True, type=Path, help="what `bundle trust export` wrote")
    parser.add_argument("--at", default=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    asked, code, missing = parser.parse_args(), 0, dict[Any, set[int]]()
    if not TIME.fullmatch(asked.at):
        parser.error("--at takes a time such as 2026-11-21T12:00:00Z")
    for path in asked.volumes:
        try:
            need(not path.is_dir(), "a folder: check it by hand, as docs/verify-by-hand.md says")
            with path.open("rb") as file:
                head, start, form = read_head(file)
                manifest, index, which = check_head(head, form, asked.root.read_bytes(), asked.at)
                said = f"good: {which[0]}, {check_files(file, start, manifest, index)}"
            missing.setdefault(which, set(range(1, index["volumes"] + 1))).discard(index["volume"])
        except (OSError, SubprocessError) as error:
            said, code = f"cannot be checked: {error}", max(code, 1)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            said, code = f"refused: {error if type(error) is ValueError else repr(error)}", 4
        print(re.sub(r"[^ -~]", "?", f"{path}: {said}"))
    for (which, _), lacking in missing.items():
        if lacking:
            print(f"not seen: volumes {str(sorted(lacking))[1:-1]} of {which}")
    print("not checked: newer sequences, whether parts add up, attestations, insides of wheels")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
