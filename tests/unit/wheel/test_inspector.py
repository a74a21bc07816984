from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from bundler.model.artifact import Blob, RemoteFile, Sha256, parse_wheel_name
from bundler.model.contents import Contents, ContentsDocument, WheelContents
from bundler.model.document import Reader
from bundler.model.plan import PlannedFile
from bundler.upstream.entries import Entries
from bundler.wheel.check import check_contents, check_whole_wheel
from bundler.wheel.examine import examine
from bundler.wheel.fault import RULES, WheelError
from bundler.wheel.findings import CHECKER, Findings, Kept
from bundler.wheel.inspector import WheelInspector
from bundler.wheel.look import look_into
from bundler.wheel.metadata import read_metadata
from bundler.wheel.natives import NativeParser
from bundler.wheel.seen import Seen
from tests.fakes.natives import elf
from tests.fakes.wheels import build_wheel

TAGS = "cp312-cp312-manylinux_2_28_x86_64"
LIBRARY = elf("x86_64", soname="libx.so.1")
SBOM = b'{"components": [{"purl": "pkg:cargo/serde@1"}]}'
INFO = "native-1.0.dist-info"
NATIVE = build_wheel(
    "native", "1.0", tags=TAGS, files={"native/_x.abi3.so": LIBRARY, f"{INFO}/sboms/x.json": SBOM}
)
PLAIN = build_wheel("plain", "1.0")
LYING = build_wheel("plain", "2.0", files={"plain-2.0.dist-info/RECORD": b"plain/ghost.py,,\n"})
ALIEN = build_wheel("alien", "1.0", tags=TAGS, files={"alien/_x.abi3.so": elf("aarch64")})


class Memory(dict[tuple[str, str], bytes]):
    """What is kept, without a disk."""

    def read(self, kind: str, key: str, /) -> bytes | None:
        return self.get((kind, key))

    def write(self, kind: str, key: str, content: bytes, /) -> None:
        self[kind, key] = content


@pytest.fixture(scope="module")
def parser() -> Iterator[NativeParser]:
    with NativeParser() as one:
        yield one


def planned(wheel: tuple[str, bytes]) -> PlannedFile:
    filename, data = wheel
    name = parse_wheel_name(filename)
    metadata = read_metadata(io.BytesIO(data), filename)
    return PlannedFile(
        project=name.project,
        version=name.version,
        remote=RemoteFile(filename=filename, url="https://example.org/x"),
        blob=Blob(Sha256(hashlib.sha256(data).hexdigest()), len(data)),
        metadata=Sha256(hashlib.sha256(metadata).hexdigest()),
        requires_python=SpecifierSet(),
        index="rebuilt",
        targets=("cp312-linux",),
        required_by=("profile",),
    )


def inspector_with(
    parser: NativeParser, kept: Kept, accepted: Mapping[Sha256, str] | None = None
) -> WheelInspector:
    look = partial(look_into, parser, Seen())
    return WheelInspector(accepted or {}, look, Findings(kept))


def looked_into(
    folder: Path,
    parser: NativeParser,
    *wheels: tuple[str, bytes],
    accepted: Mapping[Sha256, str] | None = None,
    kept: Kept | None = None,
) -> tuple[WheelInspector, list[PlannedFile]]:
    inspector = inspector_with(parser, Memory() if kept is None else kept, accepted)
    files = [planned(wheel) for wheel in wheels]
    for file, (filename, data) in zip(files, wheels, strict=True):
        path = folder / filename
        path.write_bytes(data)
        inspector.check(file, path)
    return inspector, files


def test_what_is_inside_is_described(tmp_path: Path, parser: NativeParser) -> None:
    inspector, files = looked_into(tmp_path, parser, NATIVE, PLAIN)
    (document,) = inspector.documents(files)
    assert document.project == "native"
    (native,) = document.wheels[0].natives
    assert (native.path, native.role, native.name) == (
        "native/_x.abi3.so",
        "extension",
        "libx.so.1",
    )
    assert native.architectures == ("x86_64",)
    assert native.sbom == f"{INFO}/sboms/x.json"
    assert native.blob.sha256 == hashlib.sha256(LIBRARY).hexdigest()
    (sbom,) = document.wheels[0].sboms
    assert (sbom.path, sbom.blob.size) == (f"{INFO}/sboms/x.json", len(SBOM))
    assert ContentsDocument.from_bytes(document.to_bytes()) == document
    summary = inspector.summary([document], {})
    assert (summary.natives, summary.covered, summary.sboms, summary.accepted) == (1, 1, 1, ())


@pytest.mark.parametrize(
    ("wheel", "message"),
    [
        (LYING, "'plain/ghost.py': is in RECORD and not in the wheel [record-extra]"),
        (ALIEN, "is elf for aarch64, the wheel is for elf for x86_64 [native-platform]"),
    ],
)
def test_a_fault_is_an_error_that_says_how_to_accept_it(
    tmp_path: Path, parser: NativeParser, wheel: tuple[str, bytes], message: str
) -> None:
    with pytest.raises(WheelError) as refused:
        looked_into(tmp_path, parser, wheel)
    assert refused.value.message.startswith(f"{wheel[0]}: ")
    assert message in refused.value.message
    assert refused.value.hint
    digest = planned(wheel).blob.sha256
    assert f'[[accept]]\nsha256 = "{digest}"\nreason = "…"' in refused.value.hint


def test_an_accepted_file_is_carried_and_named(tmp_path: Path, parser: NativeParser) -> None:
    reasons = {planned(wheel).blob.sha256: "looked into" for wheel in (LYING, ALIEN, PLAIN)}
    inspector, files = looked_into(tmp_path, parser, ALIEN, PLAIN, LYING, accepted=reasons)
    documents = inspector.documents(files)
    summary = inspector.summary(documents, {NormalizedName("alien"): files[0].blob})
    assert [(each.filename, each.rules) for each in summary.accepted] == [
        (ALIEN[0], ("native-platform",)),
        (LYING[0], ("record-extra", "record-missing")),
    ]
    bound = inspector.bound(files)
    assert len(str(bound.to_json())) > len(str(summary.to_json()))
    assert all(each.rules == RULES for each in bound.accepted)
    assert Contents.from_json(Reader(summary.to_json(), "manifest.contents")) == summary


def test_no_acceptance_covers_other_metadata(tmp_path: Path, parser: NativeParser) -> None:
    file = planned(LYING)
    inspector = inspector_with(parser, Memory(), {file.blob.sha256: "looked into"})
    path = tmp_path / LYING[0]
    path.write_bytes(build_wheel("plain", "2.0", requires=["evil"])[1])
    with pytest.raises(WheelError, match="METADATA is not the one that dependencies"):
        inspector.check(file, path)


def test_only_the_rules_that_are_named_may_be_broken() -> None:
    wheel, metadata = io.BytesIO(LYING[1]), planned(LYING).metadata
    allowed = ("record-extra", "record-missing")
    data, _ = check_whole_wheel(wheel, LYING[0], metadata, allowed=allowed)
    assert data == read_metadata(wheel, LYING[0])
    with pytest.raises(WheelError, match=r"plain/__init__.py.: is not in RECORD .*; and 0|RECORD"):
        check_whole_wheel(wheel, LYING[0], metadata, allowed=allowed[:1])


def test_attack_contents_that_lie(tmp_path: Path, parser: NativeParser) -> None:
    inspector, files = looked_into(tmp_path, parser, NATIVE)
    (stated,) = inspector.documents(files)[0].wheels
    examined = examine(io.BytesIO(NATIVE[1]), NATIVE[0])
    check_contents(NATIVE[0], examined, stated)
    with pytest.raises(WheelError) as refused:
        check_contents(NATIVE[0], examined, None)
    assert refused.value.message == (
        f"{NATIVE[0]}: '{INFO}/sboms/x.json': is not in the signed document [contents];"
        " 'native/_x.abi3.so': is not in the signed document [contents]"
    )
    with pytest.raises(WheelError, match="is in the signed document only"):
        check_contents(PLAIN[0], examine(io.BytesIO(PLAIN[1]), PLAIN[0]), stated)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"format":"elf"', b'"format":"wasm"', "format: 'wasm' is none of elf, pe, mach-o"),
        (b'"role":"extension"', b'"role":"x"', "role: 'x' is none of extension, vendored"),
        (b'"sboms":[{', b'"sboms":[{"a":1,', "unknown key 'a'"),
    ],
)
def test_an_odd_document_is_refused(
    tmp_path: Path, parser: NativeParser, old: bytes, new: bytes, message: str
) -> None:
    inspector, files = looked_into(tmp_path, parser, NATIVE)
    data = inspector.documents(files)[0].to_bytes()
    assert old in data
    with pytest.raises(ValueError, match=message):
        ContentsDocument.from_bytes(data.replace(old, new))


def test_a_document_has_each_wheel_once(tmp_path: Path, parser: NativeParser) -> None:
    inspector, files = looked_into(tmp_path, parser, NATIVE)
    (document,) = inspector.documents(files)
    twice = ContentsDocument(document.project, document.wheels * 2)
    with pytest.raises(ValueError, match="wheels are not sorted, or one stands twice"):
        ContentsDocument.from_bytes(twice.to_bytes())


def test_a_good_wheel_is_read_once(tmp_path: Path, parser: NativeParser) -> None:
    kept = Memory()
    first, files = looked_into(tmp_path, parser, NATIVE, PLAIN, kept=kept)
    second = inspector_with(parser, kept)
    for file in files:
        second.check(file, tmp_path / "not there")
    assert second.documents(files) == first.documents(files)
    assert first.documents(files)[0].wheels[0].natives


@pytest.mark.parametrize("wheel", [LYING, ALIEN], ids=["record", "native"])
def test_a_bad_wheel_is_read_each_time(
    tmp_path: Path, parser: NativeParser, wheel: tuple[str, bytes]
) -> None:
    kept = Memory()
    reasons = {planned(wheel).blob.sha256: "looked into"}
    for _ in range(2):
        inspector, files = looked_into(tmp_path, parser, wheel, accepted=reasons, kept=kept)
        assert inspector.summary(inspector.documents(files), {}).accepted
        with pytest.raises(WheelError):
            looked_into(tmp_path, parser, wheel, kept=kept)
    assert not kept


def test_what_was_found_is_of_these_bytes_this_name_and_this_checker(
    tmp_path: Path, parser: NativeParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Memory()
    _, (file,) = looked_into(tmp_path, parser, PLAIN, kept=kept)
    other = Blob(Sha256("0" * 64), file.blob.size)
    renamed = replace(file.remote, filename="plain-1.0-1-py3-none-any.whl")
    findings = Findings(kept)
    assert findings.recall(file) is not None
    assert findings.recall(replace(file, blob=other)) is None
    assert findings.recall(replace(file, remote=renamed)) is None
    monkeypatch.setattr("bundler.wheel.findings.CHECKER", CHECKER + 1)
    assert Findings(kept).recall(file) is None


def test_findings_in_another_form_are_none(tmp_path: Path, parser: NativeParser) -> None:
    kept = Memory()
    _, (file,) = looked_into(tmp_path, parser, NATIVE, kept=kept)
    for key, content in kept.items():
        kept[key] = content.replace(b'"role"', b'"part"')
    assert Findings(kept).recall(file) is None


def test_attack_metadata_that_changed_since_a_wheel_was_found_good(
    tmp_path: Path, parser: NativeParser
) -> None:
    kept = Memory()
    _, (file,) = looked_into(tmp_path, parser, PLAIN, kept=kept)
    inspector = inspector_with(parser, kept)
    with pytest.raises(WheelError, match="METADATA is not the one that dependencies"):
        inspector.check(replace(file, metadata=Sha256("0" * 64)), tmp_path / PLAIN[0])


def test_attack_findings_that_somebody_else_wrote(tmp_path: Path, parser: NativeParser) -> None:
    planted, own = (Entries(tmp_path / "found", secret) for secret in (b"theirs", b"ours"))
    file = planned(ALIEN)
    nothing = WheelContents(file.blob.sha256, (), ())
    Findings(planted).remember(file, nothing)
    assert Findings(planted).recall(file) == nothing
    with pytest.raises(WheelError, match="native-platform"):
        looked_into(tmp_path, parser, ALIEN, kept=own)


def test_what_a_parser_could_not_read_is_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "parser.py"
    program.write_text("input()")  # ends without an answer
    wheel = build_wheel("odd", "1.0", files={"odd/data": LIBRARY})
    kept = Memory()
    with NativeParser(program) as broken:
        inspector, files = looked_into(tmp_path, broken, wheel, kept=kept)
    assert inspector.documents(files)[0].wheels[0].natives[0].architectures == ()
    assert not kept
