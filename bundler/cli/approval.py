"""Commands for who must agree before a sequence goes live inside: policy, approve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.home import find_home
from bundler.cli.options import AsJson, HomeFolder, MirrorFolder, Quiet, account, now
from bundler.cli.secrets import PassphraseFd, ask_secrets
from bundler.model.canonical import Json

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

    from bundler.mirror.approve import Approved
    from bundler.mirror.policy import Policy
    from bundler.mirror.waiting import Waiting

ApproverKey = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="An approver's key that signs: a name or a .key file."),
]


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What a mirror asks for, and what waits in it."""

    mirror: Path
    policy: Policy
    waiting: list[Waiting]

    def to_json(self) -> Json:
        """Everything that `to_text` says."""
        return {
            "mirror": str(self.mirror),
            "approvers": self._approvers(),
            "scan": self.policy.scan,
            "base-url": self.policy.base_url,
            "waiting": [
                {
                    "stream": each.stream,
                    "sequence": each.sequence,
                    "manifest": each.manifest.sha256,
                }
                for each in self.waiting
            ],
        }

    def to_text(self) -> str:
        """A few lines."""
        lines = [
            f"approval  {' or '.join(self._approvers()) or 'not asked for'}",
            f"scan      {self.policy.scan or 'not asked for'}",
        ]
        if self.policy.base_url:
            lines.append(f"served at {self.policy.base_url}")
        lines += [
            f"waiting   {each.statement}, manifest {each.manifest.sha256}" for each in self.waiting
        ]
        return "\n".join(lines)

    def _approvers(self) -> list[str]:
        from bundler.trust.keys import fingerprint

        return [fingerprint(key) for key in self.policy.approvers]


@dataclass(frozen=True, slots=True)
class ApprovedResult:
    """What was approved and is live now."""

    mirror: Path
    approved: Approved

    def to_json(self) -> Json:
        """Everything that `to_text` says."""
        done = self.approved
        return {
            "mirror": str(self.mirror),
            "stream": done.waiting.stream,
            "sequence": done.waiting.sequence,
            "manifest": done.waiting.manifest.sha256,
            "key": done.key,
            "state": "live",
            "generation": done.published.generation,
            "projects": done.published.projects,
            "files": done.published.files,
        }

    def to_text(self) -> str:
        """What is live now, by whose key."""
        done = self.approved
        return (
            f"{self.mirror}: {done.waiting.statement} is live, approved by {done.key}:"
            f" {done.published.projects} projects, {done.published.files} files\n"
            f"manifest  {done.waiting.manifest.sha256}"
        )


def find_approver(key: str | None, home: Path | None, passphrase_fd: int | None) -> Signer | None:
    """What `--key` of an approver says."""
    from bundler.trust.holders import load_signer

    if key is None:
        return None
    return load_signer(key, find_home(home).keys, ask_secrets(passphrase_fd))


def policy(
    mirror: MirrorFolder,
    *,
    approver: Annotated[
        list[Path] | None,
        typer.Option(metavar="KEY.pub", help="Ask for approval by this key, or another such."),
    ] = None,
    no_approval: Annotated[
        bool, typer.Option("--no-approval", help="Ask for nobody's approval any more.")
    ] = False,
    scan: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Scan what is received; see `bundle unpack --scan`."),
    ] = None,
    no_scan: Annotated[bool, typer.Option("--no-scan", help="Scan nothing any more.")] = False,
    base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Pages say that the mirror is served here: https only. They link attestations.",
        ),
    ] = None,
    no_base_url: Annotated[
        bool, typer.Option("--no-base-url", help="Pages do not say where they are served.")
    ] = False,
    key: ApproverKey = None,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show or set what must happen in a mirror before a sequence goes live, and where it is served.

    Once approvers are named, a change needs one of their keys: --key.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from dataclasses import replace

        from bundler.mirror.journal import Journal, Operator
        from bundler.mirror.layout import Mirror
        from bundler.mirror.policy import change_policy, parse_base_url, read_policy_file
        from bundler.mirror.publish import renew
        from bundler.mirror.scanner import parse_scanner
        from bundler.mirror.waiting import waiting_in
        from bundler.trust.approval import read_approver

        if (approver and no_approval) or (scan and no_scan) or (base_url and no_base_url):
            raise typer.BadParameter("an option and its opposite are both given")
        opened = Mirror.open(mirror)
        shown = read_policy_file(opened)
        if approver or no_approval:
            keys = {key.keyid: key for key in map(read_approver, approver or ())}
            shown = replace(shown, approvers=tuple(keys.values()))
        if scan:
            parse_scanner(scan)
        if scan or no_scan:
            shown = replace(shown, scan=scan)
        if base_url or no_base_url:
            shown = replace(shown, base_url=parse_base_url(base_url) if base_url else None)
        if approver or no_approval or scan or no_scan or base_url or no_base_url:
            signer = find_approver(key, home, passphrase_fd)
            with opened.locked():
                journal = Journal.open(opened, Operator(account(), now))
                change_policy(opened, journal, shown, signer)
                renew(opened, out.observe)
        out.result(PolicyResult(mirror, shown, waiting_in(opened)))


def approve(
    mirror: MirrorFolder,
    sequence: Annotated[int, typer.Argument(metavar="SEQUENCE", min=1, help="What was received.")],
    key: Annotated[str, typer.Option(metavar="KEY", help="Your key: a name or a .key file.")],
    *,
    stream: Annotated[
        str | None, typer.Option(metavar="STREAM", help="If several streams have that number.")
    ] = None,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Approve what was received into a mirror, and make it live."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.mirror.approve import approve as approve_sequence
        from bundler.mirror.journal import Operator
        from bundler.mirror.layout import Mirror
        from bundler.trust.holders import load_signer

        done = approve_sequence(
            Mirror.open(mirror),
            sequence,
            load_signer(key, find_home(home).keys, ask_secrets(passphrase_fd)),
            stream=stream,
            operator=Operator(account(), now),
            observe=out.observe,
        )
        out.result(ApprovedResult(mirror, done))
