"""What it costs to verify attestations: files per second, and what memory does meanwhile.

    python -m tests.bench.bench_attest [FILES]

A Sigstore of our own signs FILES statements (2,000), which are verified by one thread and by four.
Peak memory is that of the process, after the first 200 files and after the last.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bundler.model.artifact import Sha256
from bundler.model.verdict import Outcome
from bundler.trust.attest import Attestor
from tests.fakes.attestations import attestation, provenance, statement
from tests.fakes.fulcio import github
from tests.fakes.sigstore import FakeSigstore
from tests.fakes.trust import digest

CLAIM = {"kind": "GitHub", "repository": "example/web", "workflow": "release.yml"}
Case = tuple[str, Sha256, bytes]


def peak() -> float:
    """In MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def case(sigstore: FakeSigstore, number: int) -> Case:
    name = f"web-1.{number}-py3-none-any.whl"
    sha256 = digest(str(number).encode())
    bundle = sigstore.bundle(statement(name, sha256), github("example/web"))
    if number % 2:
        return name, sha256, json.dumps(bundle).encode()
    return name, sha256, provenance(CLAIM, attestation(bundle))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    sigstore = FakeSigstore()
    cases = [case(sigstore, number) for number in range(count)]
    size = sum(len(document) for _name, _sha256, document in cases) / count
    start = time.perf_counter()
    attestor = Attestor(sigstore.trusted_root)
    reading = time.perf_counter() - start
    print(f"{count} documents of {size:.0f} bytes; reading the root takes {reading:.3f} s")

    def judge(given: Case) -> bool:
        return attestor.verdict(*given).outcome is Outcome.VERIFIED

    assert all(map(judge, cases[:200]))
    after_some = peak()
    start = time.perf_counter()
    assert all(map(judge, cases))
    alone = time.perf_counter() - start
    print(f"1 thread:  {count / alone:.0f} files/s; memory {after_some:.0f} MB after 200,", end=" ")
    print(f"{peak():.0f} MB after {count}")
    start = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(judge, cases))
    print(f"4 threads: {count / (time.perf_counter() - start):.0f} files/s; {peak():.0f} MB")


if __name__ == "__main__":
    main()
