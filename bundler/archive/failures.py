"""Several things are tried, also when one fails; what went wrong is told at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bundler.disk import NoRoomError
from bundler.errors import BundlerError, IncompleteError, RefusedError


@dataclass(slots=True)
class Failures:
    """The errors so far."""

    errors: list[BundlerError] = field(default_factory=list)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an error for later; a full disk ends everything, the rest would fail as well."""
        try:
            yield
        except NoRoomError:
            raise
        except BundlerError as error:
            self.errors.append(error)

    def raise_all(self) -> None:
        """Raise what was collected: a refusal before all else, what is incomplete last.

        Raises:
            BundlerError: one of the most serious kind, with the words of all of these.
        """
        if not self.errors:
            return
        first = min(self.errors, key=_rank)
        same = [error for error in self.errors if _rank(error) == _rank(first)]
        if len(same) > 1:
            first.message = "\n".join(dict.fromkeys(error.message for error in same))
            first.args = (first.message,)
        raise first


def _rank(error: BundlerError) -> int:
    if isinstance(error, RefusedError):
        return 0
    return 2 if isinstance(error, IncompleteError) else 1
