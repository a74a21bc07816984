from __future__ import annotations

import pytest

from bundler.archive.failures import Failures
from bundler.disk import NoRoomError
from bundler.errors import BundlerError, DamagedError, IncompleteError, TrustError


def collect(*errors: BundlerError) -> Failures:
    failures = Failures()
    for error in errors:
        with failures.collected():
            raise error
    return failures


def test_nothing_is_raised_for_nothing() -> None:
    with (failures := Failures()).collected():
        pass
    failures.raise_all()


@pytest.mark.parametrize(
    ("errors", "code", "message"),
    [
        ([IncompleteError("a"), BundlerError("b")], 1, "b"),
        ([IncompleteError("a"), BundlerError("b"), DamagedError("c")], 4, "c"),
        ([DamagedError("a"), IncompleteError("b"), TrustError("c"), DamagedError("a")], 4, "a\nc"),
        ([IncompleteError("a"), IncompleteError("b")], 5, "a\nb"),
    ],
)
def test_the_most_serious_ones_are_told(
    errors: list[BundlerError], code: int, message: str
) -> None:
    with pytest.raises(BundlerError) as caught:
        collect(*errors).raise_all()
    assert (caught.value.exit_code, caught.value.message, str(caught.value)) == (
        code,
        message,
        message,
    )


def test_a_full_disk_ends_everything() -> None:
    with pytest.raises(NoRoomError, match="full"):
        collect(NoRoomError("full"))
