"""Every error that this program raises on purpose, and the exit code that it ends with.

    BundlerError                     1  failed (also: disk full, unreadable file)
    ├── ProfileError                 3  the profile or a file that it names is wrong
    ├── NoSolutionError              3  no set of versions satisfies a target
    ├── RefusedError                 4  trust or policy says no
    │   ├── TrustError               4  signatures, roles, freshness, stream or sequence
    │   ├── PolicyError              4  the profile's policy does not let a file in
    │   ├── DamagedError             4  bytes are not what was signed
    │   └── DigestMismatchError      4  a downloaded file is not what the index promised
    ├── IncompleteError              5  volumes or blobs are missing
    └── NetworkError                 6  the index could not be reached or did not answer usefully
        └── NotFoundError            6  the index answered 404

Data are attributes, `str(error)` is one sentence or a list of them, `hint` says what to do next.
An error never prints, logs or exits: `bundler.cli` does that, in one place. Foreign exceptions are
mapped in the module that imports the library which raises them.
"""

from __future__ import annotations

from typing import Any, ClassVar


class BundlerError(Exception):
    """Something that a user can act upon.

    Attributes:
        message: What happened, to which file or requirement, for which target.
        hint: What to do next, where there is something to do.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "failed"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """To be pickled whole, whatever the arguments of a subclass are."""
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(kind: type[BundlerError], args: tuple[str], data: dict[str, Any]) -> BundlerError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(data)
    return error


class ProfileError(BundlerError):
    """A profile cannot be used; the message names the file and the place in it."""

    exit_code = 3
    code = "profile"


class NoSolutionError(BundlerError):
    """The requirements have no solution for at least one target."""

    exit_code = 3
    code = "no-solution"


class RefusedError(BundlerError):
    """Trust or policy forbids to go on."""

    exit_code = 4
    code = "refused"


class TrustError(RefusedError):
    """Signatures, roles, freshness, stream or sequence are not acceptable."""

    code = "trust"


class PolicyError(RefusedError):
    """The profile's policy does not let a file in; the message names each such file."""

    code = "policy"


class DamagedError(RefusedError):
    """Bytes of a bundle are not those that were signed."""

    code = "damaged"


class DigestMismatchError(RefusedError):
    """A downloaded file is not the one that the index promised."""

    code = "digest-mismatch"


class IncompleteError(BundlerError):
    """Volumes or blobs are missing; what did arrive is kept."""

    exit_code = 5
    code = "incomplete"


class NetworkError(BundlerError):
    """The index could not be reached, or did not answer usefully."""

    exit_code = 6
    code = "network"


class NotFoundError(NetworkError):
    """The index answered that there is no such project or file."""

    code = "not-found"
