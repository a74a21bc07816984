from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.errors import BundlerError, NoSolutionError, ProfileError
from bundler.events import Noticed, ignore
from bundler.inputs.read import read_inputs
from bundler.model.artifact import Sha256
from bundler.model.asked import THE_PROFILE, AskedRequirement, Inputs, Lock, LockedPin
from bundler.model.manifest import BundledFile, ProjectDocument
from bundler.model.page import ProjectPage
from bundler.model.plan import Plan
from bundler.model.profile import Profile
from bundler.model.target import parse_target
from bundler.resolve.catalogue import Catalogue, Shelves
from bundler.resolve.lock import Locks, select_files
from bundler.resolve.locked import preferences
from bundler.resolve.plan import find_resolution, plan_of
from bundler.resolve.proof import BundledIndex, prove_closure
from bundler.resolve.request import Request, make_request
from bundler.resolve.resolution import Resolution
from bundler.resolve.sources import group_sdists
from bundler.resolve.terms import Rules, make_terms
from bundler.resolve.why import tell_why
from bundler.upstream.origins import Origins, Source
from tests.fakes.planning import LINUX, NOW, WINDOWS, MemoryIndex, profile
from tests.fakes.sdists import build_sdist

OLD_ONLY = "cp312-cp312-manylinux_2_17_x86_64"


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


def add(index: MemoryIndex, name: str, version: str, *requires: str, **options: Any) -> str:
    """List a source distribution."""
    filename, content = build_sdist(name, version, requires=requires, **options)
    index.list_file(filename, content)
    return filename


def wanted(*requirements: str, sdists: str = "when-no-wheel", **options: Any) -> Profile:
    return profile(*requirements, sdists=sdists, **options)


def request(made: Profile) -> Request:
    return make_request(made, read_inputs(made, Path()), NOW)


def resolution(index: MemoryIndex, *requirements: str, **options: Any) -> Resolution:
    asked = request(wanted(*requirements, **options))
    return find_resolution(asked, None, index, ignore, lambda _file: None)


def plan(index: MemoryIndex, *requirements: str, **options: Any) -> Plan:
    """The plan, proven complete by its own documents."""
    found = resolution(index, *requirements, **options)
    made = plan_of(found, "test 1", ignore)
    prove_closure(found, BundledIndex(documents(made), made.metadata))
    return made


def documents(made: Plan) -> list[ProjectDocument]:
    projects: dict[str, list[BundledFile]] = {}
    for file in made.files:
        bundled = BundledFile(
            filename=file.remote.filename,
            blob=file.blob,
            metadata=file.metadata,
            index=file.index,
            targets=file.targets,
            required_by=file.required_by,
        )
        projects.setdefault(file.project, []).append(bundled)
    return [
        ProjectDocument(name=canonicalize_name(name), files=tuple(files))
        for name, files in projects.items()
    ]


def names(made: Plan) -> list[str]:
    return [file.remote.filename for file in made.files]


def reasons(made: Plan) -> dict[str, tuple[str, ...]]:
    return {file.remote.filename: file.required_by for file in made.files}


def story(index: MemoryIndex, *requirements: str, **options: Any) -> str:
    with pytest.raises(NoSolutionError) as caught:
        resolution(index, *requirements, **options)
    return caught.value.message


def test_a_source_distribution_comes_with_what_its_build_needs(index: MemoryIndex) -> None:
    add(index, "a", "1", "b", build=["backend>1; python_version > '3'", "no; os_name == 'nt'"])
    index.add("b", "1")
    index.add("backend", "2", "c")
    index.add("c", "1")
    events: list[object] = []
    found = resolution(index, "a")
    made = plan_of(found, "test 1", events.append)
    assert reasons(made) == {
        "a-1.tar.gz": ("profile",),
        "b-1-py3-none-any.whl": ("a",),
        "backend-2-py3-none-any.whl": ("build of a",),
        "c-1-py3-none-any.whl": ("backend",),
    }
    assert "3 wheels and 1 source distribution for 1 target" in str(events[-1])
    prove_closure(found, BundledIndex(documents(made), made.metadata))


def test_what_a_build_needs_is_in_the_proof(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["backend"])
    index.add("backend", "2")
    found = resolution(index, "a")
    made = plan_of(found, "test 1", ignore)
    some = [document for document in documents(made) if document.name == "a"]
    with pytest.raises(BundlerError, match=r"(?s)from the bundle alone.*the build of a 1"):
        prove_closure(found, BundledIndex(some, made.metadata))


def test_the_lock_has_it_and_not_what_its_build_needs(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["backend"])
    index.add("backend", "2")
    made = plan(index, "a")
    (data,) = made.locks.values()
    (package,) = tomllib.loads(data.decode())["packages"]
    assert package["name"] == "a"
    assert package["sdist"]["url"] == "https://example.org/files/a-1.tar.gz"
    assert "wheels" not in package
    target = parse_target("3.12", LINUX)
    assert select_files(data, target, "x") == {"a-1.tar.gz": made.files[0].blob.sha256}
    kept = preferences({target.name: {"a-1.tar.gz": Sha256("")}})
    assert kept.of(target) == {"a": Version("1")}


def test_never_is_the_default(index: MemoryIndex) -> None:
    add(index, "a", "1")
    assert "1: a source distribution only, no wheel" in story(index, "a", sdists="never")
    assert not profile("a").carries_sdists


def test_an_older_wheel_wins(index: MemoryIndex) -> None:
    add(index, "a", "2")
    index.add("a", "1")
    assert names(plan(index, "a")) == ["a-1-py3-none-any.whl"]
    assert names(plan(index, "a>1")) == ["a-2.tar.gz"]


def test_each_target_by_itself(index: MemoryIndex) -> None:
    add(index, "a", "2")
    add(index, "a", "1")
    index.add("a", "1", tags=OLD_ONLY)
    made = plan(index, "a", platforms=(LINUX, WINDOWS))
    assert {file.remote.filename: file.targets for file in made.files} == {
        f"a-1-{OLD_ONLY}.whl": (f"cp312-{LINUX}",),
        "a-2.tar.gz": (f"cp312-{WINDOWS}",),
    }


def test_all_wheels_of_one_without_wheels(index: MemoryIndex) -> None:
    add(index, "a", "1")
    assert names(plan(index, "a", wheels="all")) == ["a-1.tar.gz"]
    index.add("a", "1", tags=OLD_ONLY)
    assert names(plan(index, "a", wheels="all", platforms=(WINDOWS,))) == ["a-1.tar.gz"]


def test_the_newest_that_is_static(index: MemoryIndex) -> None:
    add(index, "a", "1")
    add(index, "a", "2", metadata_version="2.1", build=None)
    add(index, "a", "3", requires_python=">=3.13")
    add(index, "a", "4a1")
    found = resolution(index, "a")
    assert names(plan_of(found, "test 1", ignore)) == ["a-1.tar.gz"]
    ((told, _),) = tell_why(found, canonicalize_name("a")).items()
    others = {str(version): reason for version, reason in told.others}
    assert others["2"].startswith("only its build knows its dependencies")
    assert others["3"] == "it requires Python >=3.13"
    assert others["4a1"] == "a pre-release, which nothing asks for"


def test_one_that_is_not_static_is_told(index: MemoryIndex) -> None:
    add(index, "a", "1", metadata_version="2.1", build=None)
    assert "a 1 cannot be used: only its build knows" in story(index, "a")


def test_why_the_others_lost(index: MemoryIndex) -> None:
    add(index, "a", "3")
    index.add("a", "2", tags=OLD_ONLY)
    index.add("a", "1")
    index.list_file("a-4.zip", b"")
    found = resolution(index, "a", platforms=(WINDOWS,))
    ((told, _),) = tell_why(found, canonicalize_name("a")).items()
    assert {str(version): reason for version, reason in told.others} == {
        "4": "its source distribution is no .tar.gz file",
        "3": "a source distribution only, and others have wheels",
        "2": "no wheel for this platform, only for manylinux_2_17_x86_64",
    }


def test_why_an_older_source_distribution_lost(index: MemoryIndex) -> None:
    add(index, "a", "3")
    add(index, "a", "2")
    index.add("a", "1", tags=OLD_ONLY)
    found = resolution(index, "a", platforms=(WINDOWS,))
    ((told, _),) = tell_why(found, canonicalize_name("a")).items()
    assert {str(version): reason for version, reason in told.others} == {
        "2": "older",
        "1": "no wheel for this platform, only for manylinux_2_17_x86_64",
    }


def test_what_the_page_says_of_a_source_distribution(index: MemoryIndex) -> None:
    content = build_sdist("a", "1")[1]
    index.list_file("a-1.tar.gz", content, requires_python=">=3.13")
    index.list_file("a-2.tar.gz", build_sdist("a", "2")[1], yanked="broken")
    text = story(index, "a")
    assert "2: yanked (broken); only an exact == takes it; 1: it requires Python >=3.13" in text
    assert names(plan(index, "a==2")) == ["a-2.tar.gz"]


def test_what_there_is_of_it(index: MemoryIndex) -> None:
    add(index, "a", "1")
    assert "there are files for this target of 1" in story(index, "a>1")


def test_narrower_requirements_can_leave_no_wheel(index: MemoryIndex) -> None:
    index.add("a", "1")
    add(index, "a", "2")
    for number in range(12):
        index.add("b", f"{number}", "a>=2")
    assert names(plan(index, "a", "b"))[0] == "a-2.tar.gz"


def test_further_versions(index: MemoryIndex) -> None:
    for version in ("1", "2", "3"):
        add(index, "a", version, build=[f"backend=={version}"])
        index.add("backend", version)
    assert names(plan(index, "a", breadth=2)) == [
        "a-2.tar.gz",
        "a-3.tar.gz",
        "backend-2-py3-none-any.whl",
        "backend-3-py3-none-any.whl",
    ]


def test_a_version_of_an_earlier_lock_is_kept(index: MemoryIndex) -> None:
    add(index, "a", "2")
    index.add("a", "1")
    index.add("a", "3")
    asked = request(wanted("a"))
    for version, file in {
        "2": "a-2.tar.gz",
        "1": "a-1-py3-none-any.whl",
        "9": "a-3-py3-none-any.whl",
    }.items():
        terms = tuple(
            replace(each, preferred={canonicalize_name("a"): Version(version)})
            for each in asked.terms
        )
        kept = Request(stream="test", terms=terms)
        found = find_resolution(kept, None, index, ignore, lambda _file: None)
        assert names(plan_of(found, "test 1", ignore)) == [file]


def test_a_preferred_source_distribution_is_not_tried_twice(index: MemoryIndex) -> None:
    add(index, "a", "2")
    add(index, "a", "1")
    (terms,) = request(wanted("a")).terms
    kept = replace(terms, preferred={canonicalize_name("a"): Version("1")})
    shelf = Shelves(Catalogue(index), kept).of(canonicalize_name("a"))
    choices = shelf.choices(Requirement("a").specifier)
    assert [choice.file.filename for choice in choices] == ["a-1.tar.gz", "a-2.tar.gz"]


def choices(index: MemoryIndex, specifier: str = "", **known: str) -> list[str]:
    """Of `a`, in their order; `known` is what an earlier lock has, or what others have."""
    name = canonicalize_name("a")
    versions = {field: {name: Version(text)} for field, text in known.items()}
    (terms,) = request(wanted("a")).terms
    shelf = Shelves(Catalogue(index), replace(terms, **versions)).of(name)  # type: ignore[arg-type]
    return [
        choice.file.filename for choice in shelf.choices(Requirement(f"a{specifier}").specifier)
    ]


def test_what_others_have_is_built_only_where_no_wheel_fits(index: MemoryIndex) -> None:
    add(index, "a", "3")
    add(index, "a", "2")
    index.add("a", "1")
    assert choices(index, shared="2") == ["a-1-py3-none-any.whl"]
    assert choices(index, ">1", shared="2") == ["a-2.tar.gz", "a-3.tar.gz"]


def test_a_pre_release_of_an_earlier_lock_is_built_where_no_final_version_is_there(
    index: MemoryIndex,
) -> None:
    add(index, "a", "2a1")
    add(index, "a", "2a2")
    assert choices(index, preferred="2a1") == ["a-2a1.tar.gz", "a-2a2.tar.gz"]
    add(index, "a", "1")
    assert choices(index, preferred="2a1") == ["a-1.tar.gz"]
    index.add("a", "0.1")
    assert choices(index, preferred="2a1") == ["a-0.1-py3-none-any.whl"]


def test_a_yanked_wheel_is_the_last_resort_behind_a_source_distribution(
    index: MemoryIndex,
) -> None:
    wheel = index.add("a", "1", yanked="broken")
    add(index, "a", "1")
    assert choices(index, "==1") == ["a-1.tar.gz"]
    index.files[canonicalize_name("a")].pop()
    assert choices(index, "==1") == [wheel]
    assert choices(index) == []


def test_targets_share_versions_whether_built_or_not(index: MemoryIndex) -> None:
    add(index, "a", "2", build=["backend>1"])
    add(index, "a", "1", build=["backend"])
    index.add("a", "1", tags=OLD_ONLY)
    index.add("backend", "1")
    index.add("backend", "2")
    made = plan(index, "a", platforms=(LINUX, WINDOWS), align=True)
    assert reasons(made) == {
        f"a-1-{OLD_ONLY}.whl": ("profile",),
        "a-1.tar.gz": ("profile",),
        "backend-2-py3-none-any.whl": ("build of a",),
    }


def test_what_happened_in_a_build_is_told(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["b"])
    add(index, "b", "2", metadata_version="2.1", build=None)
    add(index, "b", "1")
    events: list[object] = []
    find_resolution(request(wanted("a")), None, index, events.append, lambda _file: None)
    told = [event.message for event in events if isinstance(event, Noticed)]
    assert len(told) == 1
    assert told[0].startswith(f"b 2 is left out for cp312-{LINUX}: only its build knows")


def test_each_build_comes_from_its_own_index() -> None:
    own, public = MemoryIndex(), MemoryIndex()
    own.name, public.name = "own", "public"
    add(own, "a", "1", build=["backend"])
    public.add("backend", "1")
    origins = Origins([Source(own, ["*"]), Source(public, ["*"])])
    found = find_resolution(request(wanted("a")), None, origins, ignore, lambda _file: None)
    made = plan_of(found, "test 1", ignore)
    assert {file.remote.filename: file.index for file in made.files} == {
        "a-1.tar.gz": "own",
        "backend-1-py3-none-any.whl": "public",
    }


def test_builds_of_builds(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["b"])
    add(index, "b", "1", build=["c"])
    add(index, "c", "1", in_tree=True)
    assert reasons(plan(index, "a")) == {
        "a-1.tar.gz": ("profile",),
        "b-1.tar.gz": ("build of a",),
        "c-1.tar.gz": ("build of b",),
    }


def test_a_build_that_needs_itself(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["b"])
    add(index, "b", "1", build=["a"])
    assert story(index, "a") == (
        f"no solution for cp312-{LINUX}:\n"
        "  a 1 cannot be used: its build needs itself: a 1 → b 1 → a 1"
    )


def test_builds_without_end(index: MemoryIndex) -> None:
    for number in range(12):
        add(index, f"p{number}", "1", build=[f"p{number + 1}"])
    assert "p10 1 cannot be used: its build needs too many other builds: p0 1 →" in (
        story(index, "p0")
    )


def test_a_build_requirement_that_is_not_there(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["backend>1"])
    index.add("backend", "1")
    assert story(index, "a") == (
        f"no solution for cp312-{LINUX}:\n"
        "  backend>1 (required by the build of a 1)\n"
        "    there are files for this target of 1"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("b @ https://example.org/b.whl", "a URL requirement comes from no index"),
        ("b b", "'b b': Expected"),
    ],
)
def test_a_build_requirement_that_cannot_be_honoured(
    index: MemoryIndex, text: str, reason: str
) -> None:
    add(index, "a", "1", build=[text])
    expected = f"a 1 cannot be used: its build requirements cannot be met: {reason}"
    assert expected in story(index, "a")


def test_an_optional_target_may_lack_a_build(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["backend"])
    index.add("backend", "1", tags=OLD_ONLY)
    asked = request(wanted("a", platforms=(LINUX, WINDOWS)))
    optional = Request(stream="test", terms=asked.terms, optional=frozenset({f"cp312-{WINDOWS}"}))
    events: list[object] = []
    found = find_resolution(optional, None, index, events.append, lambda _file: None)
    assert [solution.target.name for solution in found.solutions] == [f"cp312-{LINUX}"]
    assert any(isinstance(e, Noticed) and "the build of a 1" in str(e) for e in events)


def test_rules_count_for_builds(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["backend", "spare"])
    for version in ("1", "2", "3"):
        index.add("backend", version)
    index.add("spare", "1")
    made = plan(index, "a", constraints=("backend<3",), exclude=["spare"])
    assert names(made) == ["a-1.tar.gz", "backend-2-py3-none-any.whl"]


def test_what_is_carried_anyway_comes_first(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["b"])
    index.add("b", "1")
    index.add("b", "2")
    assert reasons(plan(index, "a", "b<2")) == {
        "a-1.tar.gz": ("profile",),
        "b-1-py3-none-any.whl": ("build of a", "profile"),
    }


def _pin(index: MemoryIndex, filename: str, name: str, version: str, *, sdist: bool) -> LockedPin:
    (file,) = (f for f in index.files[canonicalize_name(name)] if f.filename == filename)
    digests = frozenset({file.sha256} if file.sha256 else ())
    none: frozenset[Sha256] = frozenset()
    return LockedPin(
        project=canonicalize_name(name),
        version=Version(version),
        sha256s=none if sdist else digests,
        sdists=digests if sdist else none,
        origin="uv.lock, package x",
    )


def test_a_lock_says_nothing_of_builds(index: MemoryIndex) -> None:
    source = add(index, "a", "1", build=["b>1"])
    wheel = index.add("b", "1")
    index.add("b", "2")
    target = parse_target("3.12", LINUX)
    pins = (
        _pin(index, source, "a", "1", sdist=True),
        _pin(index, wheel, "b", "1", sdist=False),
    )
    inputs = Inputs(requirements=(), locks=(Lock("uv.lock", {target.name: pins}),))
    asked = Request(stream="test", terms=(make_terms(inputs, Rules(sdists=True), target),))
    found = find_resolution(asked, None, index, ignore, lambda _file: None)
    assert reasons(plan_of(found, "test 1", ignore)) == {
        "a-1.tar.gz": ("profile",),
        "b-1-py3-none-any.whl": ("profile",),
        "b-2-py3-none-any.whl": ("build of a",),
    }


def test_digests_bind_builds(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["b"])
    index.add("b", "1")
    target = parse_target("3.12", LINUX)
    of_b = AskedRequirement(Requirement("b"), "x.txt, line 1", frozenset({Sha256("0" * 64)}))
    inputs = Inputs(
        requirements=(AskedRequirement(Requirement("a"), THE_PROFILE),), constraints=(of_b,)
    )
    asked = Request(stream="test", terms=(make_terms(inputs, Rules(sdists=True), target),))
    with pytest.raises(NoSolutionError, match="its sha256 is not among those that are given"):
        find_resolution(asked, None, index, ignore, lambda _file: None)


def test_locks_are_kept_and_builds_resolved_anew(index: MemoryIndex) -> None:
    add(index, "a", "1", build=["b"])
    index.add("b", "1")
    made = wanted("a")
    first = plan(index, "a")
    ((name, data),) = first.locks.items()
    target = parse_target("3.12", LINUX)
    locks = Locks(Path(), "test", {target.name: select_files(data, target, name)})
    add(index, "a", "2")
    index.add("a", "3")
    again = find_resolution(request(made), locks, index, ignore, lambda _file: None)
    assert names(plan_of(again, "test 1", ignore)) == names(first)
    index.files[canonicalize_name("b")].clear()
    with pytest.raises(ProfileError, match=r"(?s)what pylock.* has cannot be built:.*b \(required"):
        find_resolution(request(made), locks, index, ignore, lambda _file: None)
    never = request(wanted("a", sdists="never"))
    with pytest.raises(ProfileError, match=r"(?s)pylock.* no longer fits.* distribution only"):
        find_resolution(never, locks, index, ignore, lambda _file: None)
    index.files[canonicalize_name("a")].pop(0)
    with pytest.raises(
        ProfileError, match=r"pylock.*: the index 'memory' no longer has a-1.tar.gz"
    ):
        find_resolution(request(made), locks, index, ignore, lambda _file: None)


def test_which_files_on_a_page_are_source_distributions(index: MemoryIndex) -> None:
    for filename in ("a-1.tar.gz", "a-1.zip", "a-x.tar.gz", "b-2.tar.gz", "a-2.tar.bz2", "a.zip"):
        index.list_file(filename, b"")
    index.list_file(f"a-{'9' * 5000}.tar.gz", b"")
    index.add("a", "3")
    files = [file for listed in index.files.values() for file in listed]
    page = ProjectPage(name=canonicalize_name("a"), files=files)
    found = {str(v): [file.filename for file in some] for v, some in group_sdists(page).items()}
    assert found == {"1": ["a-1.tar.gz", "a-1.zip"]}
