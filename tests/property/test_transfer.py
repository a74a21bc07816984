"""Any plans, bases, sizes and orders: in the end the far side is as after one full bundle."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundler.errors import BundlerError, IncompleteError, TrustError
from bundler.events import ignore
from bundler.mirror.arrivals import missing_in
from bundler.mirror.asking import asked_of
from bundler.model.resend import parse_list, write_list
from bundler.model.volume import Form
from bundler.packable import Shape
from bundler.portion import asked_again
from tests.fakes.mirrors import without_serials
from tests.fakes.sender import Receiver, Sender, make_receiver, make_sender, wheel

POOL = [
    wheel(name, version, size)
    for name, version, size in (
        ("a", "1.0", 100),
        ("a", "2.0", 40_000),
        ("b", "1.0", 70_000),
        ("c", "1.0", 260_000),
        ("c", "1.1", 300),
        ("d", "3.0", 1),
    )
]
PLANS = st.lists(st.sets(st.integers(0, len(POOL) - 1), min_size=1), min_size=1, max_size=4)
SIZES = st.sampled_from([None, 200_000, 350_000])
FORMS: st.SearchStrategy[Form] = st.sampled_from(("zst", "tar"))


def shown(receiver: Receiver) -> Mapping[str, bytes]:
    """Every page but for the generation that wrote it, and every file that one links to."""
    simple = receiver.mirror.simple.resolve()
    pages = {
        str(path.relative_to(simple)): without_serials(path.read_bytes())
        for path in simple.rglob("*")
        if path.is_file()
    }
    linked = set(re.findall(r'href="[./]*/(files/[^"#]+)', b"".join(pages.values()).decode()))
    assert linked
    return pages | {name: (receiver.mirror.root / name).read_bytes() for name in linked}


def sent_again(sender: Sender, far: Receiver) -> list[Path]:
    """Volumes with all that the far side misses of the one sequence that waits there."""
    (missing,) = missing_in(far.mirror, ignore)
    again = asked_again(sender.stream.authority, parse_list(write_list(asked_of(missing))))
    return list(sender.pack(again.described, again.shape(Shape())).volumes)


@settings(max_examples=10, deadline=None)
@given(plans=PLANS, data=st.data())
def test_any_way_leads_to_the_same_mirror(plans: list[set[int]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sender = make_sender(folder)
        far = make_receiver(sender, folder / "far")
        volumes: list[Path] = []
        base: int | None = None
        for number, plan in enumerate(plans, 1):
            base = data.draw(st.none() | st.integers(1, number - 1)) if number > 1 else None
            volumes += sender.send(
                [POOL[each] for each in sorted(plan)],
                volume_size=data.draw(SIZES),
                since=base,
                shape=Shape(form=data.draw(FORMS)),
            )
        order = data.draw(st.permutations(volumes))
        for _ in range(3):  # a volume may come before the documents that explain it
            for volume in order:
                with suppress(BundlerError):
                    far.unpack(volume)
        if far.live != len(plans):
            # What the last one builds on came after a later one, and so was refused.
            assert base is not None
            assert base < far.live
            far.unpack(*sent_again(sender, far))
        assert far.live == len(plans)
        near = make_receiver(sender, folder / "near")
        near.unpack(*sender.again([POOL[each] for each in sorted(plans[-1])]))
        assert shown(far) == shown(near)


@settings(max_examples=10, deadline=None)
@given(plan=st.sets(st.integers(0, len(POOL) - 1), min_size=1), data=st.data())
def test_what_is_asked_for_again_is_all_that_was_missing(
    plan: set[int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sender = make_sender(folder)
        far = make_receiver(sender, folder / "far")
        wheels = [POOL[each] for each in sorted(plan)]
        volumes = sender.send(wheels, volume_size=200_000)
        lost = data.draw(st.sets(st.sampled_from(volumes), max_size=len(volumes) - 1))
        with suppress(IncompleteError):
            far.unpack(*(volume for volume in volumes if volume not in lost))
        assert (far.live == 1) == (not lost)
        if lost:
            far.unpack(*sent_again(sender, far))
        assert far.live == 1
        near = make_receiver(sender, folder / "near")
        near.unpack(*sender.again(wheels))
        assert shown(far) == shown(near)


def test_a_base_that_was_passed_over_is_sent_again() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sender = make_sender(folder)
        far = make_receiver(sender, folder / "far")
        first = sender.send([POOL[1]])
        second = sender.send([POOL[0]])
        third = sender.send([POOL[1]], since=1)
        far.unpack(*second)
        with pytest.raises(TrustError, match="sequence 1 is older than"):
            far.unpack(*first)
        with pytest.raises(IncompleteError, match="in no volume that was here: the document"):
            far.unpack(*third)
        assert far.live == 2
        far.unpack(*sent_again(sender, far))
        assert far.live == 3
