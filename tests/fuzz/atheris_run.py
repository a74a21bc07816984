"""Atheris, which has wheels for few Pythons and so is no part of the tests."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path


def run(
    seeds: Callable[[], Iterable[bytes]],
    target: Callable[[bytes], object],
    corpus: Path,
    options: Sequence[str],
) -> None:
    """Fuzz until it is stopped or finds a fault, which is any exception.

    `corpus` is a folder for the seeds and what is found later; `options` are libFuzzer's.
    """
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is not installed: pip install 'airgap-bundler[fuzz]'")
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number:02}").write_bytes(seed)
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], str(corpus), *options], target)
    atheris.Fuzz()
