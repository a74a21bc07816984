"""Try every client on a mirror, and write what came of it to docs/clients.md.

    python -m tests.bench.clients

Ends with 1 if a client could not do what it should.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.fakes.clients import clients_folder, make_clients
from tests.fakes.matrix import CELLS, FAULTS, PLACES, run_matrix, versions

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"

_TITLES = {
    "pip": "pip",
    "pip-old": "pip, old",
    "uv": "uv",
    "poetry": "Poetry",
    "pdm": "PDM",
}
_INTRO = """\
# Clients

Each client does the same with the same mirror: once with its folder (`file://…/simple`), once with
`bundle serve`, where there is no network but loopback. This page is written by
`python -m tests.bench.clients`; `tests/e2e/test_matrix.py` holds it against the clients.

| column | means |
|---|---|
| install | a package and its dependency: neither a yanked release nor one for another Python |
| extras | the same, with an extra |
| hashes | with digests: right ones are taken, a wrong one is refused |
| lock | what the client locks, installed into a new environment, is the same |
| yanked | a yanked release comes where it is asked for by its number; pip and uv say why |
| local | a version such as `1.5+x.1`, whose `+` is `%2B` in the address |

"""
_END = """
A cell with a link is what the client cannot do with any index.

- pip before 25.1 cannot lock: its installation report (`--report`) is taken for that.
- pip 22.3 to 23.1 refuse METADATA beside a wheel whose name is not in its normal form
  (pypa/pip#12108). Pages name it as `data-core-metadata` alone (PEP 714), which these do not know:
  they read wheels.
- PDM takes a local version only where it is asked for by name.
- bandersnatch reads `/simple` (`api-method = simple`, with a serial for each project) and
  `/pypi/PROJECT/json`, wants TLS, and files below `/packages`. `bundle serve` has all of that; a
  plain web server has not.
"""


def table(
    found: Mapping[str, Mapping[str, Mapping[str, str]]], known: Mapping[str, str]
) -> Iterator[str]:
    """The lines of the table."""
    yield f"| client | version | mirror | {' | '.join(CELLS)} |"
    yield f"|---|---|---|{'---|' * len(CELLS)}"
    for client, title in _TITLES.items():
        for place in PLACES:
            head = f"| {title} | {known.get(client, '')} | {_place(place)}"
            if fault := FAULTS.get((client, place)):
                words, issue = fault
                repository, _, number = issue.partition("#")
                link = f"[{words}](https://github.com/{repository}/issues/{number})"
                yield f"{head} | {' | '.join([link, *['-'] * (len(CELLS) - 1)])} |"
            else:
                cells = ("no" if found[client][place][name] else "yes" for name in CELLS)
                yield f"{head} | {' | '.join(cells)} |"
    mirrored = "no" if found["bandersnatch"]["serve"]["mirror"] else "mirrors everything"
    head = f"| bandersnatch | {known.get('bandersnatch', '')} | `bundle serve`"
    yield f"{head} | {' | '.join([mirrored, *['-'] * (len(CELLS) - 1)])} |"


def _place(place: str) -> str:
    return "`file://`" if place == "file" else "`bundle serve`"


def main() -> None:
    if reason := make_clients():
        sys.exit(reason)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = run_matrix(Path(folder))
    seconds = time.perf_counter() - start
    lines = list(table(found, versions(clients_folder())))
    PAGE.write_text(_INTRO + "\n".join(lines) + "\n" + _END)
    print("\n".join(lines), f"\n{seconds:.0f} s")
    failed = [
        f"{client}, {place}, {name}: {said}"
        for client, places in found.items()
        for place, cells in places.items()
        for name, said in cells.items()
        if said and (client, place) not in FAULTS
    ]
    sys.exit("\n".join(failed) or 0)


if __name__ == "__main__":
    main()
