from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundler.model.artifact import Blob, Sha256, parse_wheel_name
from bundler.model.contents import Native, NativeFormat
from bundler.wheel import natives as module
from bundler.wheel import parsing
from bundler.wheel.examine import Member
from bundler.wheel.natives import MAX_NATIVE, Facts, NativeParser, describe, native_faults
from bundler.wheel.sboms import covered, read_sbom
from tests.fakes.natives import elf, fat, mach_o, pe

DIGEST = Sha256("ab" * 32)


def native(path: str, form: NativeFormat = "elf", *machines: str, **more: Any) -> Native:
    blob = Blob(more.pop("sha256", DIGEST), more.pop("size", 9))
    facts = Facts(architectures=machines, **more)
    return describe(Member(path, blob, form), form, facts)


@pytest.fixture(scope="module")
def parser() -> Iterator[NativeParser]:
    with NativeParser() as one:
        yield one


@pytest.mark.parametrize(
    ("form", "data", "facts"),
    [
        (
            "elf",
            elf("x86_64", soname="libx.so.1", needed="libc.so.6", build=b"\1\2\3\4"),
            Facts(("x86_64",), name="libx.so.1", build="01020304", needed=("libc.so.6",)),
        ),
        ("elf", elf("ppc64le"), Facts(("ppc64le",))),
        ("elf", elf("s390x"), Facts(("s390x",))),
        ("pe", pe("aarch64"), Facts(("aarch64",))),
        ("pe", pe("x86", program=True), Facts(("x86",), program=True)),
        (
            "mach-o",
            fat(mach_o("x86_64"), mach_o("aarch64")),
            Facts(("aarch64", "x86_64"), build=bytes(range(16)).hex()),
        ),
        ("pe", b"MZ", None),
        ("mach-o", b"", None),
    ],
)
def test_what_the_parser_says(
    tmp_path: Path, parser: NativeParser, form: NativeFormat, data: bytes, facts: Facts | None
) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    assert parser.parse(form, path) == facts
    try:  # once more in this process, where it is measured
        found = parsing.read(form, str(path))
    except Exception:  # noqa: BLE001 - what `main` catches
        found = None
    assert (found is None) == (facts is None)


def test_a_real_program_is_read(parser: NativeParser) -> None:
    facts = parser.parse("elf", Path(sys.executable).resolve())
    if sys.platform == "linux":
        assert facts
        assert facts.program
        assert facts.needed


def program(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "parser.py"
    path.write_text(text)
    return path


def test_a_parser_that_dies_is_started_again(tmp_path: Path) -> None:
    answer = {"architectures": ["x86_64"], "program": False, "name": None, "build": None}
    text = f"""
import json, os, sys
for line in sys.stdin:
    if "evil" in line:
        os.abort()
    print(json.dumps({dict(answer, needed=[])!r}), flush=True)
"""
    with NativeParser(program(tmp_path, text)) as parser:
        assert parser.parse("elf", Path("good")) == Facts(("x86_64",))
        assert parser.parse("elf", Path("evil")) is None
        assert parser.parse("elf", Path("good")) == Facts(("x86_64",))


@pytest.mark.parametrize("answer", ["[", "{}", '{"architectures": 1}', "7"])
def test_a_parser_that_says_nonsense(tmp_path: Path, answer: str) -> None:
    text = f"import sys\nfor _ in sys.stdin: print({answer!r}, flush=True)\n"
    with NativeParser(program(tmp_path, text)) as parser:
        assert parser.parse("elf", Path("x")) is None


def test_a_parser_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.3)
    with NativeParser(program(tmp_path, "import time\ntime.sleep(60)\n")) as parser:
        assert parser.parse("elf", Path("x")) is None


def test_the_parser_gets_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNDLE_PASSPHRASE", "secret")
    said = {"architectures": [], "program": False, "build": None, "needed": []}
    text = f"""
import json, os, sys
for line in sys.stdin:
    print(json.dumps({{**{said!r}, "name": os.environ.get("BUNDLE_PASSPHRASE")}}), flush=True)
"""
    with NativeParser(program(tmp_path, text)) as parser:
        assert parser.parse("elf", Path("x")) == Facts()


def test_the_parser_writes_no_file(tmp_path: Path) -> None:
    path = Path(module.__file__).with_name("parsing.py")
    (tmp_path / "x").write_bytes(elf("x86_64", soname="a\x1b[2J" + "b" * 500))
    done = subprocess.run(
        [sys.executable, str(path)],
        input=f'["elf", "{tmp_path}/x"]\n["elf", "/none"]\n["what", "/none"]\n',
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    first, *others = done.stdout.splitlines()
    assert json.loads(first)["name"] == ("a?[2J" + "b" * 500)[:200]
    assert others == ["null", "null"]


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("a/_x.cpython-312-x86_64-linux-gnu.so", "extension"),
        ("a/_x.abi3.so", "extension"),
        ("a/_x.so", "extension"),
        ("a/_x.cp312-win_amd64.pyd", "extension"),
        ("a/_x.pyd", "extension"),
        ("a/libx.so", "vendored"),
        ("a/libx.so.1.2", "vendored"),
        ("a.libs/libx-0a1b2c3d.so.1", "vendored"),
        ("a.libs/odd", "vendored"),
        ("a/.dylibs/odd", "vendored"),
        ("a/X.DLL", "vendored"),
        ("a/lib.dylib", "vendored"),
        ("a/data.bin", "other"),
    ],
)
def test_roles(path: str, role: str) -> None:
    assert native(path).role == role
    assert native(path, program=True).role == "program"


LINUX = "a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
ARM = "a-1-cp312-cp312-musllinux_1_2_aarch64.whl"
WINDOWS = "a-1-cp312-cp312-win_amd64.whl"
MAC = "a-1-cp312-cp312-macosx_11_0_arm64.whl"
BOTH = "a-1-cp312-cp312-macosx_10_13_universal2.whl"


@pytest.mark.parametrize(
    ("filename", "library", "message"),
    [
        (LINUX, native("a/x.so", "elf", "x86_64"), None),
        (LINUX, native("a/x.so", "elf", "x86"), "is elf for x86, the wheel is for elf for x86_64"),
        (LINUX, native("a/libx.so", "elf", "x86"), None),
        (LINUX, native("a/libx.so", "elf", "aarch64"), "is elf for aarch64, the wheel is for"),
        (LINUX, native("a/x.dll", "pe", "x86_64"), "is pe for x86_64, the wheel is for"),
        (LINUX, native("a/x.exe", "pe", "x86_64", program=True), None),
        (LINUX, native("a/tests/x.so", "elf", "aarch64"), None),
        (LINUX, native("a/x.bin", "elf", "aarch64"), None),
        (LINUX, native("a/x.so", "elf"), "begins as elf and is none"),
        (LINUX, native("a/x.so", "elf", size=MAX_NATIVE + 1), None),
        (ARM, native("a/x.so", "elf", "x86_64"), "is elf for x86_64, the wheel is for elf for aa"),
        (ARM, native("a/x.so", "elf", "aarch64"), None),
        (WINDOWS, native("a/x.pyd", "pe", "aarch64"), "is pe for aarch64, the wheel is for pe for"),
        (WINDOWS, native("a/inject_x86.dll", "pe", "x86"), None),
        (MAC, native("a/x.so", "mach-o", "aarch64", "x86_64"), None),
        (MAC, native("a/x.so", "mach-o", "x86_64"), "is mach-o for x86_64, the wheel is for"),
        (MAC, native("z3/lib/libz3.dll", "pe", "aarch64"), "is pe for aarch64, the wheel is for"),
        (BOTH, native("a/x.so", "mach-o", "x86_64"), None),
        ("a-1-cp312-cp312-macosx_10_9_x86_64.whl", native("a/x.so", "mach-o", "x86_64"), None),
        ("a-1-cp312-cp312-linux_armv7l.whl", native("a/x.so", "elf", "arm"), None),
        ("a-1-py3-none-any.whl", native("a/x.so", "elf", "aarch64"), None),
        ("a-1-cp313-cp313-ios_13_0_arm64_iphoneos.whl", native("a/x.so", "elf", "x86"), None),
    ],
)
def test_attack_library_for_another_platform(
    filename: str, library: Native, message: str | None
) -> None:
    platforms = {tag.platform for tag in parse_wheel_name(filename).tags}
    faults = list(native_faults([library], platforms))
    if message is None:
        assert faults == []
    else:
        assert [fault.text[: len(message)] for fault in faults] == [message]
        assert faults[0].member == library.path


def sbom(*components: dict[str, object], **more: object) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "components": components, **more}).encode()


TAGGED = "a.libs/libgfortran-3362720c.so.5.0.0"


@pytest.mark.parametrize(
    ("path", "data", "by"),
    [
        ("a/x.so", sbom({"hashes": [{"alg": "SHA-256", "content": DIGEST}]}), True),
        (TAGGED, sbom({"bom-ref": f"pkg:rpm/x/y@1#3362720c{'0' * 56}"}), True),
        (TAGGED, sbom({"bom-ref": f"pkg:rpm/x/y@1#4462720c{'0' * 56}"}), False),
        (TAGGED, sbom({"name": "libgfortran"}), True),
        ("a/libx.so.1", sbom({"name": "outer", "components": [{"name": "libx"}]}), True),
        ("a/_core_x.cp312-win_amd64.pyd", sbom({"name": "core-x"}), True),
        ("a/x.dll", json.dumps({"files": [{"fileName": "./a/x.dll"}]}).encode(), True),
        ("a/x.so", json.dumps({"packages": [{"name": "y"}, 7]}).encode(), False),
        ("a/x.so", b"not json", False),
        ("a/x.so", b"[" * 100_000, False),
        ("a/x.so", sbom({"name": 7, "purl": "pkg:cargo/serde@1"}), False),
    ],
)
def test_coverage(path: str, data: bytes, *, by: bool) -> None:
    libraries = [native(path), native("a/other.so", sha256=Sha256("0" * 64))]
    first, second = covered(libraries, [read_sbom("i/sboms/x.json", data)])
    assert (first.sbom, second.sbom) == ("i/sboms/x.json" if by else None, None)


def test_the_only_library_is_covered_by_what_was_compiled_in() -> None:
    cargo = read_sbom("s", sbom({"purl": "pkg:cargo/serde@1"}))
    python = read_sbom("s", sbom({"purl": "pkg:pypi/attrs@1"}))
    assert covered([native("a/x.so")], [python])[0].sbom is None
    assert covered([native("a/x.so")], [python, cargo])[0].sbom == "s"
