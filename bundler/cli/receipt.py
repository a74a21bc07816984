"""`bundle receipt`: what is live in a mirror, for the connected host to make a delta from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.options import AsJson, MirrorFolder, Quiet, account, now
from bundler.errors import BundlerError
from bundler.model.canonical import Json

if TYPE_CHECKING:
    from bundler.mirror.receipt import Issued

_BEGINS = b'{"payload":"'


@dataclass(frozen=True, slots=True)
class ReceiptResult:
    """A receipt, where it was written, and as a QR code if that was asked."""

    path: Path
    issued: Issued
    code: str | None

    def to_json(self) -> Json:
        """Everything that `to_text` says, but for the code."""
        from bundler.trust.keys import fingerprint

        receipt = self.issued.receipt
        return {
            "receipt": str(self.path),
            "size": len(self.issued.data),
            "key": fingerprint(self.issued.key),
            "created": receipt.created,
            "streams": {
                stream: {"sequence": live.sequence, "manifest": live.manifest}
                for stream, live in receipt.streams.items()
            },
        }

    def to_text(self) -> str:
        """What is live, and what to do with it."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        from bundler.trust.keys import fingerprint

        if self.code is not None:
            yield self.code
        yield f"{self.path}: {len(self.issued.data)} bytes"
        for stream, live in self.issued.receipt.streams.items():
            yield f"  {stream} sequence {live.sequence}, manifest {live.manifest[:16]}…"
        yield f"signed by the mirror key {fingerprint(self.issued.key)}"
        yield f"outside: bundle create PROFILE --since {self.path.name} -o DIR"


def receipt(
    mirror: MirrorFolder,
    *,
    out: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")
    ] = Path("receipt.json"),
    streams: Annotated[
        list[str] | None,
        typer.Option("--stream", metavar="NAME", help="State this stream only; may be repeated."),
    ] = None,
    qr: Annotated[bool, typer.Option("--qr", help="Show it as a QR code as well.")] = False,
    qr_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw it as a QR code into this .svg or .png file."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write which sequence of each stream is live, signed by a key of the mirror's own.

    Carried to the connected host, it is what `bundle create --since` builds a delta upon.
    """
    with console(as_json=as_json, quiet=quiet) as shown:
        from bundler.disk import atomic_write, read_whole
        from bundler.mirror.journal import Operator
        from bundler.mirror.layout import Mirror
        from bundler.mirror.receipt import issue_receipt

        if qr_file is not None and qr_file.suffix.lower() not in {".svg", ".png"}:
            raise typer.BadParameter(f"--qr-file {qr_file} ends neither in .svg nor in .png")
        if out.exists() and not read_whole(out).startswith(_BEGINS):
            raise BundlerError(f"{out} exists and is something else", hint="give another file: -o")
        issued = issue_receipt(Mirror.open(mirror), Operator(account(), now), streams or ())
        atomic_write(out, issued.data)
        code = None
        if qr or qr_file is not None:
            from bundler.report.qr import qr_text, write_qr

            code = qr_text(issued.data) if qr else None
            if qr_file is not None:
                write_qr(issued.data, qr_file)
        shown.result(ReceiptResult(out, issued, code))
