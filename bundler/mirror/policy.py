"""What a mirror asks for before a sequence goes live, and where it is served.

It is kept in `.bundler/policy.json`. The journal has its digest, so it cannot be changed or lost by
the way; a command changes it, and where approvers are named, one of them must sign for that.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from securesystemslib.signer import Key, Signer

from bundler.disk import atomic_write, read_whole, sync_folder
from bundler.errors import BundlerError, DamagedError, TrustError
from bundler.mirror.entry import About
from bundler.mirror.journal import Journal
from bundler.mirror.layout import Mirror
from bundler.mirror.scanner import Scanner, parse_scanner
from bundler.model.artifact import Sha256
from bundler.model.canonical import canonical
from bundler.model.document import FORMAT, Reader
from bundler.trust.approval import Statement, check_approval, has_key_of
from bundler.trust.keys import fingerprint

_URL: Final = re.compile(r"https://[A-Za-z0-9._~:/%\[\]!$&'()*+,;=-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Policy:
    """What must happen first; nothing, as it stands.

    Attributes:
        approvers: Any one of these keys must approve.
        scan: This command must end well on what was received.
        base_url: Where the mirror's root is served; pages name it where they may not be relative.
    """

    approvers: tuple[Key, ...] = ()
    scan: str | None = None
    base_url: str | None = None

    def to_bytes(self) -> bytes:
        """Canonical JSON, keys sorted by their ids."""
        keys = sorted(self.approvers, key=lambda key: key.keyid)
        return canonical(
            {
                "format": FORMAT,
                "approvers": [
                    {
                        "keyid": key.keyid,
                        "keytype": key.keytype,
                        "scheme": key.scheme,
                        "public": key.keyval["public"],
                    }
                    for key in keys
                ],
                "scan": self.scan,
                "base-url": self.base_url,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Policy:
        """Read one.

        Raises:
            ValueError: naming the place in the document.
        """
        document = Reader.over(data, "policy")
        approvers = tuple(_read_key(item) for item in document.objects("approvers"))
        policy = cls(approvers, document.optional_text("scan"), document.optional_text("base-url"))
        document.finish()
        return policy

    def scanners(self) -> list[Scanner]:
        """The scanner that it asks for, if any.

        Raises:
            BundlerError: if its program is not there any more.
        """
        return [parse_scanner(self.scan)] if self.scan else []

    def __str__(self) -> str:
        names = " or ".join(fingerprint(key) for key in self.approvers)
        served = f", served at {self.base_url}" if self.base_url else ""
        return f"approval by {names or 'nobody'}, scan by {self.scan or 'nothing'}{served}"


def parse_base_url(text: str) -> str:
    """An address under which a mirror is served, with a slash at its end.

    Links to attestations must be of a secure origin (PEP 740, "Changes to the simple index").

    Raises:
        BundlerError: if it is none.
    """
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise _no_base_url() from error
    plain = _URL.fullmatch(text) and not (url.query or url.fragment or "?" in text or "#" in text)
    if not plain or not url.hostname or url.username is not None or port == 0:
        raise _no_base_url()
    return text if text.endswith("/") else f"{text}/"


def _no_base_url() -> BundlerError:
    # Not quoted: it may hold a password.
    return BundlerError(
        "--base-url is not an address that pages can name",
        hint="give the mirror's root as clients see it: https://packages.example.org/ or a folder"
        " there, without user, query and fragment",
    )


def read_policy(mirror: Mirror, journal: Journal) -> Policy:
    """The policy that holds.

    Raises:
        DamagedError: if the file is not the one that the journal knows.
    """
    policy, sha256 = _read(mirror)
    if sha256 != journal.policy():
        raise DamagedError(
            f"{mirror.policy} is not as the journal knows it",
            hint="if `bundle policy` was interrupted, run it once more as it was; else somebody"
            " changed or removed the file: put it back",
        )
    return policy


def read_policy_file(mirror: Mirror) -> Policy:
    """What the file says, to be shown or to start from; a command that acts asks the journal, too.

    Raises:
        DamagedError: if it cannot be read.
    """
    return _read(mirror)[0]


def change_policy(
    mirror: Mirror, journal: Journal, policy: Policy, signer: Signer | None
) -> Policy:
    """Ask for something else from now on; the caller holds `mirror.locked()`.

    Raises:
        TrustError: if the policy that holds names approvers, and `signer` is none of them.
        DamagedError: as `read_policy`, unless the same change was interrupted.
    """
    data = policy.to_bytes()
    sha256 = Sha256(hashlib.sha256(data).hexdigest())
    by = fingerprint(signer.public_key) if signer else None
    if journal.policy() != sha256:
        former = read_policy(mirror, journal)
        if former.approvers and (signer is None or not has_key_of(signer, former.approvers)):
            given = f"; {by} is not" if by else ""
            names = " or ".join(fingerprint(key) for key in former.approvers)
            message = (
                f"{mirror.root} is approved by {names}: one of them must sign for another"
                f" policy{given}"
            )
            journal.write("policy", "refused", note=message, about=About(key=by))
            raise TrustError(message, hint="its holder runs the same command, with --key")
        journal.write("policy", note=str(policy), about=About(policy=sha256, key=by))
    # After the journal, which says that it was allowed: what is interrupted can be done again.
    atomic_write(mirror.policy, data, mode=0o600)
    return policy


def approval_path(mirror: Mirror, statement: Statement) -> Path:
    """Where the approval of a sequence is kept."""
    return mirror.approvals / f"{statement.stream}-{statement.sequence:06}.json"


def rollback_path(mirror: Mirror, generation: int) -> Path:
    """Where the decision is kept that made a generation live; no stream has such a name."""
    return mirror.approvals / f"{generation:06}.rollback.json"


def withdraw_approvals(mirror: Mirror, stream: str, above: int) -> None:
    """Let no approval of a sequence of `stream` that is newer than `above` count any more.

    Each is kept beside, for those who ask who approved it.
    """
    for path in sorted(mirror.approvals.glob(f"{stream}-*.json")):
        number = path.stem.removeprefix(f"{stream}-")
        if number.isascii() and number.isdigit() and int(number) > above:
            path.replace(path.with_suffix(".withdrawn"))
    if mirror.approvals.is_dir():
        sync_folder(mirror.approvals)


def check_approved(mirror: Mirror, statement: Statement) -> None:
    """Whether what the mirror asks for allows `statement` to go live.

    Raises:
        TrustError: if an approval is asked for, and there is none that counts.
        DamagedError: if the policy cannot be read.
    """
    approvers = _read(mirror)[0].approvers
    if not approvers:
        return
    path = approval_path(mirror, statement)
    if not path.is_file():
        raise TrustError(f"{statement} is not approved")
    check_approval(read_whole(path), statement, approvers)


def is_approved(mirror: Mirror, statement: Statement) -> bool:
    """Whether it need not wait; an approval that does not count is as good as none."""
    try:
        check_approved(mirror, statement)
    except TrustError:
        return False
    return True


def _read(mirror: Mirror) -> tuple[Policy, Sha256 | None]:
    if not mirror.policy.is_file():
        return Policy(), None
    data = read_whole(mirror.policy)
    try:
        return Policy.from_bytes(data), Sha256(hashlib.sha256(data).hexdigest())
    except ValueError as error:
        raise DamagedError(f"{mirror.policy} is damaged: {error}", hint="put it back") from error


def _read_key(item: Reader) -> Key:
    keyid, keytype, scheme = item.text("keyid"), item.text("keytype"), item.text("scheme")
    public = item.text("public")
    item.finish()
    return Key.from_dict(
        keyid, {"keytype": keytype, "scheme": scheme, "keyval": {"public": public}}
    )
