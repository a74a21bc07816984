"""In-toto statements: whether one is about this very file, and says what we know.

The rules are those of "Index hosted attestations" (PyPA specifications). A statement that was
signed with a pinned key may also be of the older in-toto 0.1 and SLSA 0.2, which indexes with keys
still write.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Final

from packaging.utils import InvalidSdistFilename, parse_sdist_filename

from bundler.model.artifact import Sha256, parse_wheel_name
from bundler.trust.provenance import read_object

STATEMENT: Final = "https://in-toto.io/Statement/v1"
SLSA: Final = "https://slsa.dev/provenance/v1"

_OLD_STATEMENT: Final = "https://in-toto.io/Statement/v0.1"
_OLD_SLSA: Final = "https://slsa.dev/provenance/v0.2"

# "Published by this trusted publisher", in the name of the index that defined it. The host says
# nothing: what counts is who signed.
_PUBLISH: Final = re.compile(r"https://docs\.[a-z0-9.-]{3,100}/attestations/publish/v1", re.ASCII)


def check_statement(payload: bytes, filename: str, sha256: Sha256, *, keyed: bool = False) -> str:
    """The predicate type of a statement about the file; its signature was checked.

    Args:
        payload: As it was signed.
        filename: Of the wheel or source distribution.
        sha256: Of its bytes.
        keyed: Whether a pinned key signed it.

    Raises:
        ValueError: saying what is wrong.
    """
    statement = read_object(payload, "the statement")
    kind = statement.get("_type")
    if kind != STATEMENT and not (keyed and kind == _OLD_STATEMENT):
        raise ValueError(f"the statement is of type {kind!r:.80}, not in-toto v1")
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1:
        raise ValueError("the statement is not about exactly one file")
    _check_subject(subjects[0], filename, sha256)
    predicate = statement.get("predicateType")
    if not isinstance(predicate, str) or not _is_known(predicate, keyed=keyed):
        raise ValueError(f"the statement has predicate {predicate!r:.120}, which is not known here")
    return predicate


def _is_known(predicate: str, *, keyed: bool) -> bool:
    if predicate == SLSA or _PUBLISH.fullmatch(predicate):
        return True
    return keyed and predicate == _OLD_SLSA


def _check_subject(subject: object, filename: str, sha256: Sha256) -> None:
    if not isinstance(subject, dict):
        raise ValueError("the statement's subject is not an object")  # noqa: TRY004 - one type
    name, digests = subject.get("name"), subject.get("digest")
    if not isinstance(name, str) or not name:
        raise ValueError("the statement's subject has no name")
    if _parsed(name) != _parsed(filename):
        raise ValueError(f"the statement is about {name!r:.160}")
    digest = digests.get("sha256") if isinstance(digests, dict) else None
    if digest != sha256:
        raise ValueError(f"the statement is about a file with sha256 {digest!r:.80}")


def _parsed(filename: str) -> Hashable:
    """What two spellings of one distribution's name have in common."""
    if filename.endswith(".whl"):
        return parse_wheel_name(filename)
    try:
        return parse_sdist_filename(filename), filename[-4:]
    except InvalidSdistFilename as error:
        raise ValueError(f"{filename!r:.160} is no name of a distribution") from error
