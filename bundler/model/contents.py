"""What is inside wheels: native libraries and embedded SBOMs, as a signed document states them.

Known only when a whole wheel was read, so these documents stand behind the wheels in a volume. The
manifest names one for each project that has any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

from packaging.utils import NormalizedName

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import Json, canonical
from bundler.model.document import FORMAT, Reader, normalized

NativeFormat: TypeAlias = Literal["elf", "pe", "mach-o"]
Role: TypeAlias = Literal["extension", "vendored", "program", "other"]

NATIVE_FORMATS: Final[tuple[NativeFormat, ...]] = ("elf", "pe", "mach-o")
ROLES: Final[tuple[Role, ...]] = ("extension", "vendored", "program", "other")

_Word = TypeVar("_Word", bound=str)


@dataclass(frozen=True, slots=True)
class EmbeddedSbom:
    """A file in a wheel's `sboms` folder (PEP 770); `path` is the one in the wheel."""

    path: str
    blob: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """Native code in a wheel, found by its first bytes.

    Attributes:
        path: In the wheel.
        role: An extension module, a library that came along, a program, or anything else.
        architectures: As `uname -m` has them, sorted; empty when the file could not be parsed.
        name: The name under which others need it: soname, install name, or a DLL's own.
        build: Build id, UUID, or a PE file's debug GUID and age.
        needed: The names of the libraries that it asks for.
        sbom: The path of an embedded SBOM that covers it.
    """

    path: str
    blob: Blob
    format: NativeFormat
    role: Role
    architectures: tuple[str, ...] = ()
    name: str | None = None
    build: str | None = None
    needed: tuple[str, ...] = ()
    sbom: str | None = None


@dataclass(frozen=True, slots=True)
class WheelContents:
    """What is inside the wheel with this digest; both sorted by path."""

    wheel: Sha256
    natives: tuple[Native, ...]
    sboms: tuple[EmbeddedSbom, ...]


@dataclass(frozen=True, slots=True)
class ContentsDocument:
    """The wheels of one project in which there is something of note, sorted by digest."""

    project: NormalizedName
    wheels: tuple[WheelContents, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        wheels = [
            {
                "sha256": wheel.wheel,
                "natives": [_native_to_json(native) for native in wheel.natives],
                "sboms": [{"path": sbom.path, **_blob_to_json(sbom.blob)} for sbom in wheel.sboms],
            }
            for wheel in self.wheels
        ]
        return canonical({"format": FORMAT, "name": self.project, "wheels": list[Json](wheels)})

    @classmethod
    def from_bytes(cls, data: bytes) -> ContentsDocument:
        """Read one.

        Raises:
            ValueError: naming the place in the document.
        """
        document = Reader.over(data, "contents document")
        found = cls(document.name("name"), tuple(_wheels(document)))
        document.finish()
        digests = [wheel.wheel for wheel in found.wheels]
        if digests != sorted(set(digests)):
            raise ValueError("contents document: wheels are not sorted, or one stands twice")
        return found


def _wheels(document: Reader) -> Iterator[WheelContents]:
    for item in document.objects("wheels"):
        wheel = WheelContents(
            item.digest("sha256"),
            tuple(_native_from_json(each) for each in item.objects("natives")),
            tuple(_sbom_from_json(each) for each in item.objects("sboms")),
        )
        item.finish()
        yield wheel


def _native_to_json(native: Native) -> Json:
    return {
        "path": native.path,
        **_blob_to_json(native.blob),
        "format": native.format,
        "role": native.role,
        "architectures": list(native.architectures),
        "name": native.name,
        "build": native.build,
        "needed": list(native.needed),
        "sbom": native.sbom,
    }


def _native_from_json(item: Reader) -> Native:
    native = Native(
        path=item.text("path"),
        blob=Blob(item.digest("sha256"), item.size("size")),
        format=_one_of(item, "format", NATIVE_FORMATS),
        role=_one_of(item, "role", ROLES),
        architectures=item.texts("architectures"),
        name=item.optional_text("name"),
        build=item.optional_text("build"),
        needed=item.texts("needed"),
        sbom=item.optional_text("sbom"),
    )
    item.finish()
    return native


def _sbom_from_json(item: Reader) -> EmbeddedSbom:
    sbom = EmbeddedSbom(item.text("path"), Blob(item.digest("sha256"), item.size("size")))
    item.finish()
    return sbom


def _blob_to_json(blob: Blob) -> dict[str, Json]:
    return {"sha256": blob.sha256, "size": blob.size}


def _one_of(item: Reader, key: str, words: tuple[_Word, ...]) -> _Word:
    text = item.text(key)
    for word in words:
        if word == text:
            return word
    raise ValueError(f"{item.place}.{key}: {text!r:.40} is none of {', '.join(words)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A wheel that breaks rules and crosses all the same, as its profile says why.

    Attributes:
        rules: Those that it breaks, sorted; inside, it may break no other.
    """

    filename: str
    wheel: Sha256
    reason: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the manifest says of the insides of all its wheels.

    Attributes:
        documents: The contents document of each project that has one.
        natives: How many native libraries there are; `covered` of them by an embedded SBOM.
        sboms: How many embedded SBOMs.
        accepted: Sorted by filename.
    """

    documents: Mapping[NormalizedName, Blob]
    natives: int
    covered: int
    sboms: int
    accepted: tuple[Accepted, ...]

    def to_json(self) -> Json:
        """As it stands in the manifest."""
        return {
            "documents": {name: _blob_to_json(blob) for name, blob in self.documents.items()},
            "natives": self.natives,
            "covered": self.covered,
            "sboms": self.sboms,
            "accepted": [
                {
                    "filename": each.filename,
                    "sha256": each.wheel,
                    "reason": each.reason,
                    "rules": list(each.rules),
                }
                for each in self.accepted
            ],
        }

    @classmethod
    def from_json(cls, item: Reader) -> Contents:
        """Read it.

        Raises:
            ValueError: naming the place in the document.
        """
        found = cls(
            documents={
                normalized(name, f"{item.place}.documents"): blob
                for name, blob in item.blobs("documents").items()
            },
            natives=item.size("natives"),
            covered=item.size("covered"),
            sboms=item.size("sboms"),
            accepted=tuple(_accepted_from_json(each) for each in item.objects("accepted")),
        )
        item.finish()
        return found


def _accepted_from_json(item: Reader) -> Accepted:
    accepted = Accepted(
        filename=item.text("filename"),
        wheel=item.digest("sha256"),
        reason=item.text("reason"),
        rules=item.texts("rules"),
    )
    item.finish()
    return accepted
