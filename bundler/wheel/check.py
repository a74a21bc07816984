"""A whole wheel against its name, its plan and its signed description: at create and at unpack."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import IO, Final

from bundler.model.artifact import Sha256
from bundler.model.contents import WheelContents
from bundler.wheel.examine import Examined, Kind, Taker, examine
from bundler.wheel.fault import Fault, wheel_error
from bundler.wheel.inflate import Inflate, strict
from bundler.wheel.metadata import check_metadata, read_metadata
from bundler.wheel.seen import Seen

BUFFER: Final = 1 << 18
"""Bytes to read at once from a wheel that is read wholly: most members are smaller."""


def check_whole_wheel(
    wheel: IO[bytes],
    filename: str,
    metadata: Sha256,
    requires_python: str | None = None,
    *,
    allowed: Collection[str] = (),
    takers: Mapping[Kind, Taker] | None = None,
    seen: Seen | None = None,
    inflate: Inflate = strict,
) -> tuple[bytes, Examined]:
    """Hold everything in a wheel against everything that is said of it; METADATA and findings.

    Args:
        wheel: Seekable.
        filename: What the wheel is called.
        metadata: The digest of the METADATA that dependencies were resolved from.
        requires_python: As `check_requires_python`.
        allowed: Names of rules that this one file may break. What METADATA says is none of them.
        takers: As `examine`.
        seen: As `examine`.
        inflate: As `examine`.

    Raises:
        WheelError: naming each rule that is broken and not allowed to be, and the member.
    """
    examined = examine(wheel, filename, takers, seen, inflate)
    if faults := [fault for fault in examined.faults if fault.rule not in allowed]:
        raise wheel_error(filename, faults)
    data = examined.metadata
    if data is None or examined.faults:  # what is broken is read as installers do that
        data = read_metadata(wheel, filename)
    check_metadata(data, filename, metadata, requires_python)
    return data, examined


def check_contents(filename: str, examined: Examined, stated: WheelContents | None) -> None:
    """Hold what is in a wheel against what the signed document says of it; nothing is parsed.

    Raises:
        WheelError: naming each library or SBOM that only one of the two has.
    """
    found = {(member.path, member.blob, member.kind) for member in examined.members}
    listed = {
        *(
            (native.path, native.blob, native.format)
            for native in (stated.natives if stated else ())
        ),
        *((sbom.path, sbom.blob, "sbom") for sbom in (stated.sboms if stated else ())),
    }
    faults = [
        *(Fault("contents", "is not in the signed document", path) for path, *_ in found - listed),
        *(Fault("contents", "is in the signed document only", path) for path, *_ in listed - found),
    ]
    if faults:
        raise wheel_error(filename, sorted(faults, key=str))
