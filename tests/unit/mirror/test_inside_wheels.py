from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import NormalizedName

from bundler.errors import DamagedError, IncompleteError
from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.mirror.prune import find_prunable
from bundler.mirror.publish import publish
from bundler.model.artifact import Blob
from bundler.model.contents import (
    Accepted,
    Contents,
    ContentsDocument,
    EmbeddedSbom,
    Native,
    WheelContents,
)
from bundler.model.manifest import VerifiedManifest
from bundler.wheel.fault import WheelError
from tests.fakes.mirrors import Wheel, blob_of, bundled, deliver
from tests.fakes.natives import elf
from tests.fakes.wheels import UNTAKEN, build_wheel, with_stream

LIBRARY, SBOM = elf("x86_64"), b'{"bomFormat": "CycloneDX"}'
SBOM_PATH = "native-1.0.dist-info/sboms/x.json"
NATIVE = build_wheel("native", "1.0", files={"native/_x.so": LIBRARY, SBOM_PATH: SBOM})
LYING = build_wheel("lying", "1.0", files={"lying-1.0.dist-info/RECORD": b""})
TRUE = WheelContents(
    blob_of(NATIVE[1]).sha256,
    (Native(path="native/_x.so", blob=blob_of(LIBRARY), format="elf", role="extension"),),
    (EmbeddedSbom(SBOM_PATH, blob_of(SBOM)),),
)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.create(tmp_path)


def stated(
    mirror: Mirror,
    wheel: Wheel,
    contents: WheelContents | None,
    *accepted: Accepted,
    name: str = "native",
) -> VerifiedManifest:
    """A manifest that says this of the inside of a wheel."""
    documents = {}
    if contents is not None:
        document = ContentsDocument(NormalizedName(name), (contents,))
        documents[NormalizedName("native")] = mirror.store.put(document.to_bytes())
    return with_documents(mirror, wheel, documents, *accepted)


def with_documents(
    mirror: Mirror, wheel: Wheel, documents: dict[NormalizedName, Blob], *accepted: Accepted
) -> VerifiedManifest:
    contents = Contents(documents=documents, natives=0, covered=0, sboms=0, accepted=accepted)
    return VerifiedManifest(replace(deliver(mirror, [wheel]), contents=contents))


def test_embedded_sboms_become_blobs(mirror: Mirror) -> None:
    publish(mirror, stated(mirror, NATIVE, TRUE), ignore)
    assert mirror.file_path(bundled(NATIVE)).is_file()
    assert mirror.store.read(blob_of(SBOM), 1000) == SBOM


def test_sboms_stay_as_long_as_a_generation_names_them(mirror: Mirror) -> None:
    publish(mirror, stated(mirror, NATIVE, TRUE), ignore)
    assert not find_prunable(mirror, 0).blobs
    publish(mirror, deliver(mirror, [NATIVE], sequence=2), ignore)
    assert not find_prunable(mirror, 1).blobs
    assert blob_of(SBOM).sha256 in find_prunable(mirror, 0).blobs


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (None, "'native/_x.so': is not in the signed document"),
        (replace(TRUE, natives=()), "'native/_x.so': is not in the signed document"),
        (replace(TRUE, sboms=()), "x.json': is not in the signed document"),
        (
            replace(TRUE, natives=(replace(TRUE.natives[0], blob=blob_of(b"other")),)),
            "'native/_x.so': is in the signed document only",
        ),
        (
            replace(TRUE, natives=(replace(TRUE.natives[0], format="pe"),)),
            "'native/_x.so': is in the signed document only",
        ),
    ],
)
def test_native_code_that_was_not_signed_is_refused(
    mirror: Mirror, contents: WheelContents | None, message: str
) -> None:
    with pytest.raises(WheelError) as refused:
        publish(mirror, stated(mirror, NATIVE, contents), ignore)
    assert message in refused.value.message
    assert not mirror.file_path(bundled(NATIVE)).exists()


def test_a_broken_rule_needs_an_acceptance_that_was_signed(mirror: Mirror) -> None:
    digest = hashlib.sha256(LYING[1]).hexdigest()
    reason = Accepted(
        filename=LYING[0], wheel=blob_of(LYING[1]).sha256, reason="x", rules=("record-missing",)
    )
    assert reason.wheel == digest
    other = replace(reason, wheel=blob_of(b"").sha256)
    for accepted in ((), (other,), (replace(reason, rules=("bomb",)),)):
        with pytest.raises(WheelError, match=r"lying/__init__.py.: is not in RECORD"):
            publish(mirror, stated(mirror, LYING, None, *accepted), ignore)
    publish(mirror, stated(mirror, LYING, None, reason), ignore)
    assert mirror.file_path(bundled(LYING)).is_file()


def test_an_accepted_wheel_is_read_as_far_as_outside(mirror: Mirror) -> None:
    # Outside ends where no installer goes on, so nobody has stated what comes behind.
    name, data = build_wheel("odd", "1.0", files={"odd/x": b"hello", "odd/_x.so": LIBRARY})
    wheel = name, with_stream(data, "odd/x", UNTAKEN)
    reason = Accepted(
        filename=name, wheel=blob_of(wheel[1]).sha256, reason="x", rules=("zip-data",)
    )
    publish(mirror, stated(mirror, wheel, None, reason), ignore)
    assert mirror.file_path(bundled(wheel)).read_bytes() == wheel[1]


def test_a_manifest_that_does_not_say_is_held_to_the_rules_alone(mirror: Mirror) -> None:
    publish(mirror, deliver(mirror, [NATIVE]), ignore)
    assert mirror.file_path(bundled(NATIVE)).is_file()


def test_missing_and_odd_documents(mirror: Mirror) -> None:
    name = NormalizedName("native")
    manifest = with_documents(mirror, NATIVE, {name: blob_of(b"absent")})
    with pytest.raises(IncompleteError, match="what is inside of native"):
        publish(mirror, manifest, ignore)
    manifest = with_documents(mirror, NATIVE, {name: mirror.store.put(b"{}")})
    with pytest.raises(DamagedError, match="what is inside of native in sequence 1 of web is not"):
        publish(mirror, manifest, ignore)
    with pytest.raises(DamagedError, match=r"what is inside of native .* is of other"):
        publish(mirror, stated(mirror, NATIVE, TRUE, name="other"), ignore)
