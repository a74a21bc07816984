"""The versions that we plan against those of uv and of pip, as a table.

    python -m tests.bench.parity [SET...] > docs/parity.md

Every set is resolved for every target by us and by uv, and by pip for the first target, whose
markers are those of a Linux host. All use the index that pip uses on this host. With the names of
sets, only these are resolved. What differs is written to stderr in full.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, urlsplit

from packaging.pylock import Pylock

from bundler.errors import NoSolutionError
from bundler.model.target import Target, parse_target
from bundler.resolve.lock import lock_name
from bundler.upstream.pip_config import IndexUrl, pip_index_url
from tests.bench.parity_sets import EXPLAINED, PLATFORMS, PYTHONS, SETS
from tests.fakes.uv import uv_environment, uv_resolve

BUNDLE = [sys.executable, "-m", "bundler"]
TARGETS = [parse_target(python, platform) for python in PYTHONS for platform in PLATFORMS]

Pins = Mapping[str, str] | None
"""Versions by project; None when there is no solution."""


@dataclass(frozen=True, slots=True)
class Row:
    """One set: what each of us makes of each target, in the order of `TARGETS`."""

    name: str
    ours: Sequence[Pins]
    uv: Sequence[Pins]
    pip: Pins

    @property
    def like_uv(self) -> int:
        """On how many targets we agree."""
        return sum(mine == theirs for mine, theirs in zip(self.ours, self.uv, strict=True))

    @property
    def like_pip(self) -> bool:
        """Whether we agree on the first target."""
        return self.ours[0] == self.pip


def main(names: Sequence[str]) -> None:
    """Print the table."""
    index = pip_index_url()
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        rows = [_row(name, SETS[name], index, Path(folder)) for name in names or SETS]
    print("\n".join(table(rows, time.strftime("%Y-%m-%d"))))


def _row(name: str, requirements: list[str], index: IndexUrl, work: Path) -> Row:
    started = time.perf_counter()
    mine = ours(requirements, TARGETS, work)
    planned = time.perf_counter()
    theirs = [
        uv_resolve(
            requirements,
            index_url=with_credentials(index),
            python=target.python.name,
            platform=target.platform.name,
            cache=work / "uv",
        )
        for target in TARGETS
    ]
    resolved = time.perf_counter()
    row = Row(name, mine, theirs, pip(requirements, TARGETS[0], index, work))
    print(
        f"{name}: {planned - started:.1f} s, uv {resolved - planned:.1f} s,"
        f" pip {time.perf_counter() - resolved:.1f} s",
        *differences(row),
        sep="\n  ",
        file=sys.stderr,
        flush=True,
    )
    return row


def ours(requirements: list[str], targets: Sequence[Target], work: Path) -> list[Pins]:
    """What `bundle lock` has for all targets; asked one by one where not all have a solution."""
    path, locks = work / "parity.toml", work / "locks"
    pythons = list(dict.fromkeys(target.python.name for target in targets))
    platforms = list(dict.fromkeys(target.platform.name for target in targets))
    path.write_text(
        f"[profile]\nname = 'parity'\nrequirements = {requirements!r}\n"
        f"[targets]\npython = {pythons!r}\nplatforms = {platforms!r}\n"
    )
    shutil.rmtree(locks, ignore_errors=True)
    command = [*BUNDLE, "lock", str(path), "-o", str(locks), "--home", str(work / "home"), "-q"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == NoSolutionError.exit_code and len(targets) > 1:
        return [ours(requirements, [target], work)[0] for target in targets]
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode:
        return [None]
    return [_pins(locks / lock_name("parity", target)) for target in targets]


def _pins(path: Path) -> Pins:
    lock = Pylock.from_dict(tomllib.loads(path.read_text()))
    return {package.name: str(package.version) for package in lock.packages}


def pip(requirements: list[str], target: Target, index: IndexUrl, work: Path) -> Pins:
    """What pip would install; its markers are those of this host, which must be like `target`."""
    tags = [tag for tag in target.platform.tags if not tag.startswith("linux_")]
    report = work / "report.json"
    command = [
        *(sys.executable, "-m", "pip", "install", "--isolated", "--quiet", "--dry-run"),
        *("--ignore-installed", "--only-binary", ":all:", "--python-version", target.python.name),
        *("--implementation", "cp", *(word for tag in tags for word in ("--platform", tag))),
        *("--target", str(work / "nowhere"), "--cache-dir", str(work / "pip")),
        *("--index-url", with_credentials(index), "--report", str(report), *requirements),
    ]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=uv_environment()
    )
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1], file=sys.stderr)
        return None
    found = [item["metadata"] for item in json.loads(report.read_bytes())["install"]]
    return {_canonical(item["name"]): item["version"] for item in found}


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def with_credentials(index: IndexUrl) -> str:
    """The address as pip and uv take it; never print it."""
    if index.credentials is None:
        return index.url
    parts = urlsplit(index.url)
    user, password = quote(index.credentials.user, ""), quote(index.credentials.password, "")
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc}").geturl()


def differences(row: Row) -> Iterator[str]:
    """Each target on which a peer has something else, and what."""
    for target, mine, theirs in zip(TARGETS, row.ours, row.uv, strict=True):
        yield from _difference("uv", target, mine, theirs)
    yield from _difference("pip", TARGETS[0], row.ours[0], row.pip)


def _difference(peer: str, target: Target, mine: Pins, theirs: Pins) -> Iterator[str]:
    if mine is None or theirs is None:
        if mine is not theirs:
            finder = peer if mine is None else "we"
            yield f"{peer}, {target.name}: only {finder} found a solution"
    elif mine != theirs:
        names = sorted(n for n in mine.keys() | theirs.keys() if mine.get(n) != theirs.get(n))
        told = ", ".join(f"{n} {mine.get(n, '-')}/{theirs.get(n, '-')}" for n in names)
        yield f"{peer}, {target.name} (ours/{peer}): {told}"


def table(rows: Sequence[Row], today: str) -> Iterator[str]:
    """The page."""
    plans = len(rows) * len(TARGETS)
    like_uv, like_pip = sum(row.like_uv for row in rows), sum(row.like_pip for row in rows)
    yield "# Parity with uv and pip"
    yield ""
    yield (
        f"Made on {today} by `python -m tests.bench.parity > docs/parity.md`,"
        f" with uv {version('uv')} and pip {version('pip')}, wheels only, from one index."
    )
    yield f"Targets: Python {_listed(PYTHONS)} on {_listed(f'`{name}`' for name in PLATFORMS)}."
    yield f"pip resolves for the first of them, `{TARGETS[0].name}`, with every tag spelt out."
    yield ""
    yield f"- The same versions as uv: **{like_uv} of {plans} plans** ({like_uv / plans:.1%})."
    yield f"- The same versions as pip: **{like_pip} of {len(rows)}** ({like_pip / len(rows):.1%})."
    yield ""
    yield "| set | requirements | packages | like uv | like pip | what differs, and why |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        sizes = sorted({len(pins) for pins in row.ours if pins is not None})
        span = " to ".join(map(str, dict.fromkeys([*sizes[:1], *sizes[-1:]]))) or "no solution"
        wanted = " ".join(f"`{text}`" for text in SETS[row.name])
        why = " ".join(_reasons(row))
        pip_word = "yes" if row.like_pip else "no"
        like = f"{row.like_uv} of {len(TARGETS)}"
        yield f"| {row.name} | {wanted} | {span} | {like} | {pip_word} | {why} |"


def _reasons(row: Row) -> Iterator[str]:
    unlike = {"uv": row.like_uv < len(TARGETS), "pip": not row.like_pip}
    for peer in (peer for peer, differs in unlike.items() if differs):
        yield EXPLAINED.get((row.name, peer), f"{peer}: not explained.")


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


if __name__ == "__main__":
    main(sys.argv[1:])
