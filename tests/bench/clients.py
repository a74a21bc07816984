"""Try every client on a mirror, and write what came of it to docs/clients.md.

    python -m tests.bench.clients

Ends with 1 if a client could not do what it should. Without nginx on this host, its rows are not
tried, and the page is left as it is; that, too, ends with 1.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.fakes.clients import clients_folder, make_clients
from tests.fakes.matrix import ALL_PLACES, CELLS, FAULTS, PLACES, run_matrix, versions

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"

_TITLES = {
    "pip": "pip",
    "pip-old": "pip, old",
    "uv": "uv",
    "poetry": "Poetry",
    "pdm": "PDM",
}
_TITLES_OF_PLACES = {"file": "`file://`", "serve": "`bundle serve`", "nginx": "nginx"}
_INTRO = """\
# Clients

Each client does the same with the same mirror, where there is no network but loopback: with its
folder (`file://…/simple`), with `bundle serve`, and with nginx as [Serving](serving.md#with-nginx)
sets it up. This page is written by `python -m tests.bench.clients`; `tests/e2e/test_matrix.py`
holds it against the clients, but for nginx.

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
    found: Mapping[str, Mapping[str, Mapping[str, str]]],
    known: Mapping[str, str],
    places: Sequence[str] = PLACES,
) -> Iterator[str]:
    """The lines of the table."""
    yield f"| client | version | mirror | {' | '.join(CELLS)} |"
    yield f"|---|---|---|{'---|' * len(CELLS)}"
    for client, title in _TITLES.items():
        for place in places:
            head = f"| {title} | {known.get(client, '')} | {_TITLES_OF_PLACES[place]}"
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


def main() -> None:
    if reason := make_clients():
        sys.exit(reason)
    places = ALL_PLACES if shutil.which("nginx") else PLACES
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = run_matrix(Path(folder), places, 600)
    seconds = time.perf_counter() - start
    lines = list(table(found, versions(clients_folder()), places))
    if places == ALL_PLACES:
        PAGE.write_text(_INTRO + "\n".join(lines) + "\n" + _END)
    print("\n".join(lines), f"\n{seconds:.0f} s")
    failed = [
        f"{client}, {place}, {name}: {said}"
        for client, places in found.items()
        for place, cells in places.items()
        for name, said in cells.items()
        if said and (client, place) not in FAULTS
    ]
    if places != ALL_PLACES:
        failed.append(f"nginx is not on this host: its rows were NOT tried, {PAGE} not written")
    sys.exit("\n".join(failed) or 0)


if __name__ == "__main__":
    main()
