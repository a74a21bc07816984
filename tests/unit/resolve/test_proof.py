from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from bundler.describe import Admitted, documents
from bundler.errors import BundlerError, NotFoundError
from bundler.model.manifest import ProjectDocument
from bundler.model.plan import Plan
from bundler.resolve.plan import plan_of
from bundler.resolve.proof import BundledIndex, prove_closure
from bundler.resolve.resolution import Resolution
from tests.fakes.planning import LINUX, WINDOWS, MemoryIndex, profile, resolve, unattested


@pytest.fixture
def index() -> MemoryIndex:
    found = MemoryIndex()
    found.add("a", "2", "b", tags="cp312-cp312-manylinux_2_17_x86_64")
    found.add("a", "1", "b")
    found.add("b", "2rc1")
    found.add("b", "1", yanked="bad")
    return found


def planned(index: MemoryIndex, *asked: str, **keys: Any) -> tuple[Resolution, Plan]:
    resolution = resolve(profile(*asked, platforms=(LINUX, WINDOWS), **keys), index)
    return resolution, plan_of(resolution, "test 1", lambda _: None)


def without(plan: Plan, *filenames: str) -> list[ProjectDocument]:
    """The documents of a bundle that lacks these files."""
    kept = [
        replace(each, files=tuple(f for f in each.files if f.filename not in filenames))
        for each in documents(Admitted(plan, unattested(plan)))
    ]
    return [document for document in kept if document.files]


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        (("a", "b==1"), {}),
        (("a", "b>=2rc1"), {"breadth": 2}),
        (("a", "b==1"), {"align": True, "wheels": "all"}),
        (("a",), {"exclude": ["b"], "cutoff": "1 day"}),
        (("a",), {"overrides": ["b==2rc1"], "constraints": ("a<3",)}),
    ],
)
def test_a_bundle_that_has_everything(
    index: MemoryIndex, asked: tuple[str, ...], keys: dict[str, Any]
) -> None:
    resolution, plan = planned(index, *asked, **keys)
    index.files.clear()  # what the index has counts no more
    prove_closure(resolution, BundledIndex(without(plan), plan.metadata))


def test_what_is_locked_is_proven_too(index: MemoryIndex) -> None:
    index.add("c", "1")
    resolution, plan = planned(index, "c")
    prove_closure(resolution, BundledIndex(without(plan), plan.metadata))


def test_a_bundle_that_lacks_a_project(index: MemoryIndex) -> None:
    resolution, plan = planned(index, "a", "b==1")
    bundle = BundledIndex(without(plan, "b-1-py3-none-any.whl"), plan.metadata)
    with pytest.raises(BundlerError) as caught:
        prove_closure(resolution, bundle)
    assert type(caught.value) is BundlerError
    lines = caught.value.message.splitlines()
    assert lines[0] == f"cp312-{LINUX} cannot be installed from the bundle alone:"
    assert lines[-1] == "    the bundle has no project b"
    assert caught.value.hint == "please report this: the bundle was not signed"


def test_a_file_for_another_target_does_not_stand_in(index: MemoryIndex) -> None:
    index.files[canonicalize_name("a")].pop()
    index.add("a", "2", "b")
    resolution, plan = planned(index, "a", "b==1")
    bundle = BundledIndex(without(plan, "a-2-cp312-cp312-manylinux_2_17_x86_64.whl"), plan.metadata)
    with pytest.raises(BundlerError) as caught:
        prove_closure(resolution, bundle)
    assert caught.value.message.splitlines()[0].startswith(f"cp312-{LINUX} cannot be installed")
    assert "2: it is not in the lock" in caught.value.message


def test_a_wider_version_that_lacks_something(index: MemoryIndex) -> None:
    index.add("a", "3", "c")
    index.add("c", "1")
    index.add("b", "3")
    resolution, plan = planned(index, "a<3", "b", breadth=2)
    lacking = BundledIndex(without(plan, "a-1-py3-none-any.whl"), plan.metadata)
    with pytest.raises(BundlerError, match="cannot be installed from the bundle alone"):
        prove_closure(resolution, lacking)


def test_something_else_comes_out(index: MemoryIndex) -> None:
    """As if the documents said that a wheel requires less than it did."""
    resolution, plan = planned(index, "a", "b==1")
    needless = MemoryIndex()
    needless.add("a", "2", tags="cp312-cp312-manylinux_2_17_x86_64")
    needless.add("a", "1")
    needless.add("b", "1", yanked="bad")
    lied, _ = planned(needless, "a")
    solutions = tuple(
        replace(found, dependencies=other.dependencies)
        for found, other in zip(resolution.solutions, lied.solutions, strict=True)
    )
    lie = replace(resolution, solutions=solutions)
    prove_closure(resolution, BundledIndex(without(plan), plan.metadata))
    metadata = {
        found.facts.metadata_sha256: b"Metadata-Version: 2.1\nName: a\nVersion: 2\n"
        for solution in resolution.solutions
        for found in solution.pins.values()
    }
    with pytest.raises(BundlerError) as caught:
        prove_closure(lie, BundledIndex(without(plan), metadata))
    assert caught.value.message == (
        f"cp312-{LINUX} gets something else from the bundle alone: b-1-py3-none-any.whl"
    )


def test_metadata_that_is_not_there(index: MemoryIndex) -> None:
    resolution, plan = planned(index, "a", "b==1")
    with pytest.raises(BundlerError, match=r"^[ab]-.*\.whl: its METADATA is not at hand$"):
        prove_closure(resolution, BundledIndex(without(plan), {}))


def test_the_index_of_a_bundle(index: MemoryIndex) -> None:
    _, plan = planned(index, "a", "b==1")
    bundle = BundledIndex(without(plan), plan.metadata)
    page = bundle.page(canonicalize_name("b")).result()
    assert [(file.filename, file.yanked) for file in page.files] == [
        ("b-1-py3-none-any.whl", "bad")
    ]
    with pytest.raises(NotFoundError, match=r"^the bundle has no project c$"):
        bundle.page(canonicalize_name("c")).result()
    bundle.close()
