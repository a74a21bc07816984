from __future__ import annotations

from concurrent.futures import Future

import pytest
from packaging.utils import NormalizedName

from bundler.errors import NetworkError, NotFoundError, RefusedError
from bundler.model.page import ProjectPage
from bundler.resolve.index import Index
from bundler.upstream.origins import Origins, Source
from tests.fakes.planning import MemoryIndex, make_plan, profile

CORP_TOOL, REQUESTS = NormalizedName("corp-tool"), NormalizedName("requests")


def memory(name: str, *projects: str, version: str = "1") -> MemoryIndex:
    index = MemoryIndex()
    index.name = name
    for project in projects:
        index.add(project, version)
    return index


def test_a_project_that_one_index_has_comes_from_it() -> None:
    own, public = memory("own", "corp-tool"), memory("public", "requests")
    origins = Origins([Source(own, ["*"]), Source(public, ["*"])])
    assert origins.name == "own, public"
    made = make_plan(profile("corp-tool", "requests"), origins)
    assert {file.project: file.index for file in made.files} == {
        CORP_TOOL: "own",
        REQUESTS: "public",
    }
    assert (own.asked["close"], public.asked["close"]) == (1, 1)


def test_dependency_confusion_is_refused_with_the_line_to_write() -> None:
    own, public = memory("own", "corp-tool"), memory("public", "corp-tool", version="99")
    origins = Origins([Source(own, ["*"]), Source(public, ["*"])])
    with pytest.raises(RefusedError) as caught:
        make_plan(profile("corp-tool"), origins)
    assert caught.value.message == (
        "corp-tool is on more than one index: 'own' and 'public'; whose files it has must be said"
        " in the profile"
    )
    assert caught.value.hint == (
        'write projects = ["corp-tool"] (with what is there already) into the [[index]] that it'
        " shall come from"
    )


@pytest.mark.parametrize("patterns", [["corp-tool"], ["corp-*"], ["*", "corp-tool"]])
def test_the_strongest_claim_alone_counts(patterns: list[str]) -> None:
    own, public = memory("own", "corp-tool"), memory("public", "corp-tool", version="99")
    origins = Origins([Source(public, ["*"]), Source(own, patterns)])
    made = make_plan(profile("corp-tool"), origins)
    assert [(file.index, str(file.version)) for file in made.files] == [("own", "1")]
    assert not public.asked[CORP_TOOL]


def test_a_name_is_a_stronger_claim_than_a_pattern() -> None:
    own, other = memory("own", "corp-tool"), memory("other", "corp-tool")
    origins = Origins([Source(other, ["corp-*"]), Source(own, ["corp-tool"])])
    assert origins.page(CORP_TOOL).result().name == CORP_TOOL
    assert origins.origin(CORP_TOOL) == "own"


def test_who_claims_a_project_and_has_it_not_is_not_replaced() -> None:
    own, public = memory("own"), memory("public", "corp-tool")
    origins = Origins([Source(own, ["corp-*"]), Source(public, ["*"])])
    with pytest.raises(NotFoundError, match="no project corp-tool"):
        origins.page(CORP_TOOL).result()


def test_nobody_is_asked_for_it() -> None:
    origins = Origins([Source(memory("own", "requests"), ["corp-*"])])
    with pytest.raises(NotFoundError, match="no index of the profile is asked for requests"):
        origins.page(REQUESTS).result()


def test_an_empty_page_is_no_project_beside_a_full_one() -> None:
    own, public = memory("own"), memory("public", "requests")
    own.files[REQUESTS] = []
    origins = Origins([Source(own, ["*"]), Source(public, ["*"])])
    assert len(origins.page(REQUESTS).result().files) == 1
    assert origins.page(REQUESTS) is origins.page(REQUESTS)
    public.files[CORP_TOOL] = own.files[CORP_TOOL] = []
    with pytest.raises(NotFoundError, match="no index lists a file of corp-tool"):
        origins.page(CORP_TOOL).result()


def test_an_index_that_fails_might_have_it() -> None:
    class Down(MemoryIndex):
        def page(self, project: NormalizedName) -> Future[ProjectPage]:
            failed: Future[ProjectPage] = Future()
            failed.set_exception(NetworkError(f"{project}: no answer"))
            return failed

    down: Index = Down()
    origins = Origins([Source(down, ["*"]), Source(memory("public", "requests"), ["*"])])
    with pytest.raises(NetworkError, match="requests: no answer"):
        origins.page(REQUESTS).result()
