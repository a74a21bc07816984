"""Who may read the mirror: a file of names with password hashes, and of tokens.

The file is an htpasswd file, one `NAME:HASH` a line, with the two kinds of hashes that slow a
guesser down, bcrypt and argon2, and one more for tokens, which nobody can guess: `{SHA256}` and 64
hexadecimal digits, with `:2027-01-31` behind it for a token that ends then. A name may have several
lines: a password, and a token for each machine. A client sends NAME and the password or token as
HTTP Basic, or a token alone as Bearer.

Slow hashes are slow for the server, too: what was right is remembered for a while, as a keyed
digest, and of what was wrong a client may send a few only (see `Bound`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import argon2
import bcrypt

from bundler.errors import BundlerError

_REMEMBERED = 300  # seconds
_MAX_REMEMBERED = 4096
_MAX_SENT = 1024  # characters of an Authorization header
_BCRYPT_BYTES = 72  # bcrypt reads no more of a password
_NAME = re.compile(r"[!-9;-~]{1,128}", re.ASCII)
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
_ARGON2 = re.compile(r"\$argon2id?\$v=\d+\$m=(\d+),t=(\d+),p=(\d+)\$[^$]+\$[^$]+", re.ASCII)
_TOKEN = re.compile(r"\{SHA256\}([0-9a-f]{64})(?::(\d{4}-\d\d-\d\d))?", re.ASCII)
_MAX_COST = 16  # of bcrypt: about 4 s
_MAX_MEMORY = 256 * 1024  # KiB, of argon2
_MAX_TIME = 20
_MAX_LANES = 16
_NO_NAME = (None, "__token__")  # Bearer, and what indexes have as the name of every token
_HINT = (
    "a line is NAME:HASH with a bcrypt hash (`htpasswd -B`), an argon2id hash, or {SHA256} and the"
    " digest of a token"
)


@dataclass(frozen=True, slots=True)
class _Token:
    user: str
    ends: date | None


@dataclass(slots=True)
class Credentials:
    """Names with their hashes, and what was verified lately; threads may share it."""

    _hashes: dict[str, list[str]]
    _tokens: dict[bytes, _Token]
    _secret: bytes
    _verified: dict[bytes, tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, secret: bytes) -> Credentials:
        """Read a file of names.

        Args:
            path: The file.
            secret: Random bytes; what is remembered is keyed by them.

        Raises:
            BundlerError: naming file and line, never a hash.
        """
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BundlerError(f"cannot read the file of names {path}: {error}") from error
        found = cls({}, {}, secret)
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                found._add(f"{path}:{number}", line.strip())
        if not found._hashes and not found._tokens:
            raise BundlerError(f"{path} names nobody", hint=_HINT)
        return found

    def _add(self, where: str, line: str) -> None:
        name, _, rest = line.partition(":")
        if not _NAME.fullmatch(name):
            raise BundlerError(f"{where}: not a name that a client could send", hint=_HINT)
        if token := _TOKEN.fullmatch(rest):
            try:
                ends = date.fromisoformat(token[2]) if token[2] else None
            except ValueError as error:
                raise BundlerError(f"{where}: {token[2]} is no date", hint=_HINT) from error
            self._tokens[bytes.fromhex(token[1])] = _Token(name, ends)
        elif _is_bounded(rest):
            self._hashes.setdefault(name, []).append(rest)
        else:
            raise BundlerError(
                f"{where}: the hash of {name} is of a kind that is not taken, or far too slow",
                hint=_HINT,
            )

    def known(self, authorization: str | None, now: datetime) -> str | None:
        """The name of who sends this header, if that can be said at once; None if not."""
        sent = _parse(authorization)
        if sent is None:
            return None
        name, password = sent
        # Found by its digest: how long that takes says nothing about any token.
        token = self._tokens.get(hashlib.sha256(password).digest())
        if (
            token
            and name in {*_NO_NAME, token.user}
            and (not token.ends or now.date() <= token.ends)
        ):
            return token.user
        remembered = self._verified.get(self._key(sent))
        if remembered and now.timestamp() < remembered[1]:
            return remembered[0]
        return None

    def verify(self, authorization: str | None, now: datetime) -> str | None:
        """The name of who sends this header, None if nobody is known by it; this may take long.

        A name that is not there takes as long as one that is.
        """
        known = self.known(authorization, now)
        sent = _parse(authorization)
        if known or sent is None:
            return known
        name, password = sent
        if name is None:
            return None
        hashes = self._hashes.get(name)
        right = [_matches(each, password) for each in hashes or self._any_hash()]
        if hashes is None or not any(right):
            return None
        if len(self._verified) >= _MAX_REMEMBERED:
            self._verified.clear()
        self._verified[self._key(sent)] = name, now.timestamp() + _REMEMBERED
        return name

    def _any_hash(self) -> list[str]:
        return next(iter(self._hashes.values()), [])

    def _key(self, sent: tuple[str | None, bytes]) -> bytes:
        name, password = sent
        # Without a length, "a" with "b:c" and "a:b" with "c" would be one.
        message = b"%d:%s%s" % (len(name or ""), (name or "").encode(), password)
        return hmac.digest(self._secret, message, "sha256")

    def users(self) -> Iterator[str]:
        """Every name in the file."""
        yield from sorted({*self._hashes, *(token.user for token in self._tokens.values())})


def _is_bounded(text: str) -> bool:
    """Whether it is a hash that we take, and that no request can take hours by."""
    if found := _BCRYPT.fullmatch(text):
        return int(found[1]) <= _MAX_COST
    if found := _ARGON2.fullmatch(text):
        memory, time, lanes = map(int, found.groups())
        return memory <= _MAX_MEMORY and time <= _MAX_TIME and lanes <= _MAX_LANES
    return False


def _matches(hashed: str, password: bytes) -> bool:
    if hashed.startswith("$argon2"):
        try:
            return argon2.PasswordHasher().verify(hashed, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
    # Longer ones are refused: of two that begin alike, bcrypt takes one for the other.
    fits = len(password) <= _BCRYPT_BYTES and b"\0" not in password
    return bcrypt.checkpw(password if fits else b"", hashed.encode()) and fits


def _parse(authorization: str | None) -> tuple[str | None, bytes] | None:
    """Name and password or token of an Authorization header (RFC 7617, RFC 6750)."""
    if not authorization or len(authorization) > _MAX_SENT:
        return None
    scheme, _, rest = authorization.partition(" ")
    try:
        if scheme.lower() == "bearer":
            return None, rest.strip().encode("ascii")
        if scheme.lower() == "basic":
            name, colon, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
            return (name.decode(), password) if colon else None
    except (binascii.Error, UnicodeError, ValueError):
        pass
    return None
