"""Clients that others wrote, each on a mirror's folder and on `bundle serve`, without a network.

docs/clients.md is this table; `python -m tests.bench.clients` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.bench.clients import PAGE, table
from tests.fakes.clients import require_clients
from tests.fakes.matrix import CELLS, FAULTS, PLACES, run_matrix
from tests.fakes.netns import require_isolation

pytestmark = pytest.mark.netns

CLIENTS = ("pip", "pip-old", "uv", "poetry", "pdm")

Found = dict[str, dict[str, dict[str, str]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    require_isolation()
    require_clients()
    return run_matrix(tmp_path_factory.mktemp("matrix"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_cell(found: Found, client: str, place: str) -> None:
    cells = found[client][place]
    if (client, place) in FAULTS:
        assert all(cells.values()), "it can do this by now: take it out of FAULTS"
        return
    assert tuple(cells) == CELLS
    assert {name: said for name, said in cells.items() if said} == {}


def test_bandersnatch_mirrors_from_us(found: Found) -> None:
    assert found["bandersnatch"]["serve"]["mirror"] == ""


def test_the_page_is_this_table(found: Found) -> None:
    def without_versions(lines: Iterable[str]) -> list[list[str]]:
        rows = [line.split("|") for line in lines if line.count("|") > 5]
        # nginx costs as much time as all else here, and is tried when the page is written.
        return [[*row[:2], *row[3:]] for row in rows if row[3] != " nginx "]

    page = PAGE.read_text().splitlines()
    assert without_versions(page) == without_versions(table(found, {}))
