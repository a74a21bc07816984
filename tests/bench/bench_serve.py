"""`bundle serve` against nginx on the same files, and against pypiserver and devpi.

    python -m tests.bench.bench_serve [--projects N] [--seconds S] [--rounds R] [--threads T]
                                      [--peers FOLDER]

It needs wrk and nginx; FOLDER is the `bin` of an environment with pypiserver and devpi-server. All
servers run on loopback with as many processes as this host has cores (pypiserver and devpi as they
come), one after the other in each of the rounds; what is printed is the median, of the ratio to
nginx as well: within a round, that has the same neighbours. With gzip, as every installer asks,
nginx compresses each time: a mirror has no compressed files. "bare granian" sends the same page
from memory and does nothing else. A page has 180 files, about 60 KB; a wheel has 16 MB; wrk keeps
64 connections busy for pages, and for wheels, in two threads as it does by itself; in one, it is
what bounds nginx. CPU is that of the server's processes for one request, which others on the host
change little. Memory is that of all processes, pages that they share counted once.
"""

from __future__ import annotations

import argparse
import base64
import concurrent.futures
import hashlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from packaging.utils import NormalizedName

from bundler.mirror.layout import Mirror
from bundler.mirror.negotiate import JSON
from bundler.mirror.pages import HTML_NAME, list_pages, project_pages
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import BundledFile, ProjectDocument
from tests.fakes.mirrors import bundled
from tests.fakes.serving import AS_ROOT
from tests.fakes.wheels import build_wheel

FILES = 180
CONNECTIONS = 64
WHEEL_BYTES = 16 << 20
WHEELS = [build_wheel("big", f"1.{number}") for number in range(FILES)]
NGINX = """
worker_processes {cores}; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  default_type application/octet-stream; types {{ text/html html; }} gzip on;
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


Server = tuple[subprocess.Popen[bytes], str]
"""A process, and the URL of a page on it."""


@dataclass(frozen=True)
class Measured:
    """Of one run of wrk."""

    requests: float  # a second
    mib: float  # a second
    p99: float  # ms
    cpu: float  # microseconds of the server's processes, for one request


def make_mirror(root: Path, projects: int) -> tuple[Mirror, str]:
    """A mirror as publishing leaves it, and the path of a large wheel; quicker than publishing."""
    mirror = Mirror.create(root)
    simple = mirror.generations / "000001" / "simple"
    simple.mkdir(parents=True)
    names = [NormalizedName(f"project-{number:05}") for number in range(projects)]
    for name in names:
        write(simple / name, project_pages(ProjectDocument(name=name, files=made_up(name))))
    big = NormalizedName("big")
    files = tuple(bundled(wheel) for wheel in WHEELS)
    write(simple / big, project_pages(ProjectDocument(name=big, files=files)))
    write(simple, list_pages([*names, big]))
    mirror.simple.symlink_to(".bundler/generations/000001/simple")
    data = os.urandom(WHEEL_BYTES)
    digest = Sha256(hashlib.sha256(data).hexdigest())
    write(mirror.file_folder(digest), {"large-1.0-py3-none-any.whl": data})
    return mirror, f"files/{digest[:2]}/{digest}/large-1.0-py3-none-any.whl"


def made_up(name: str) -> tuple[BundledFile, ...]:
    stem = name.replace("-", "_")
    digests = [hashlib.sha256(f"{name}{number}".encode()).hexdigest() for number in range(20)]
    return tuple(
        BundledFile(
            filename=f"{stem}-1.{number}-py3-none-any.whl",
            blob=Blob(Sha256(digest), 1000 + number),
            metadata=Sha256(digest[::-1]),
            index="rebuilt",
            targets=("cp312-linux",),
            required_by=("profile",),
        )
        for number, digest in enumerate(digests)
    )


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def server(port: int, *words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens, for as long as the block lasts."""
    argv = list(map(str, words))
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(300):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            process.wait(30)


def processes(process: subprocess.Popen[bytes]) -> list[str]:
    """The numbers of a process and its children."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--pid", str(process.pid), "--ppid", str(process.pid)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return listed.stdout.split()


def cpu(process: subprocess.Popen[bytes]) -> float:
    """Seconds that a process and its children have computed: utime and stime of proc(5)."""
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in processes(process)]
    ticks = sum(int(word) for stat in stats for word in stat.rpartition(")")[2].split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def wrk(
    process: subprocess.Popen[bytes], url: str, headers: tuple[str, ...], load: tuple[str, ...]
) -> Measured:
    words = [word for header in headers for word in ("-H", header)]
    argv = ["wrk", f"-c{CONNECTIONS}", *load, "--latency", *words, url]
    before = cpu(process)
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    computed = cpu(process) - before
    if "Non-2xx" in done.stdout:
        raise SystemExit(f"{url}: {done.stdout}")

    def find(pattern: str) -> tuple[float, str]:
        match = re.search(pattern, done.stdout)
        if not match:
            raise SystemExit(f"{url}: {done.stdout}")
        return float(match[1]), match[2]

    size, unit = find(r"Transfer/sec:\s+([\d.]+)([KMG])B")
    p99, scale = find(r"99%\s+([\d.]+)(us|ms|s)")
    requests, _ = find(r"Requests/sec:\s+([\d.]+)()")
    answered, _ = find(r"(\d+) requests in ()")
    mib = size * {"K": 1 / 1024, "M": 1, "G": 1024}[unit]
    scaled = p99 * {"us": 0.001, "ms": 1, "s": 1000}[scale]
    return Measured(requests, mib, scaled, computed / answered * 1e6)


def memory(process: subprocess.Popen[bytes]) -> str:
    """Of a process and its children: what they have, shared pages once, and the sum of all RSS."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in processes(process)]
    found = [
        sum(int(kib) for rollup in rollups for kib in re.findall(rf"{word}:\s+(\d+)", rollup))
        / 1024
        for word in ("Pss", "Rss")
    ]
    return f"{found[0]:.0f} MiB (RSS {found[1]:.0f})"


def ask_for_all(url: str, projects: int) -> None:
    headers = {"Accept": JSON, "Accept-Encoding": "gzip"}
    with httpx.Client(headers=headers) as client:
        for number in range(projects):
            client.get(f"{url}simple/project-{number:05}/").raise_for_status()


def start_devpi(stack: ExitStack, programs: Path, folder: Path) -> Server:
    """The page of "big" on a devpi server that has all wheels of it."""
    port = free_port()
    subprocess.run(
        [programs / "devpi-init", "--serverdir", folder], stdout=subprocess.DEVNULL, check=True
    )
    argv = (programs / "devpi-server", "--serverdir", folder, "--port", str(port), "--offline-mode")
    process = stack.enter_context(server(port, *argv))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/", timeout=60) as client:
        account = {"user": "root", "password": ""}
        token = client.post("+login", json=account).raise_for_status().json()["result"]["password"]
        word = base64.b64encode(f"root:{token}".encode()).decode()
        client.headers["X-Devpi-Auth"] = word
        client.put("root/dev", json={"bases": [], "type": "stage"}).raise_for_status()
        for number, (filename, data) in enumerate(WHEELS):
            said = {
                ":action": "file_upload", "name": "big", "version": f"1.{number}",
                "filetype": "bdist_wheel", "pyversion": "py3", "metadata_version": "2.1",
            }  # fmt: skip
            client.post(
                "root/dev/", data=said, files={"content": (filename, data)}
            ).raise_for_status()
    return process, f"http://127.0.0.1:{port}/root/dev/+simple/big/"


def start_pypiserver(stack: ExitStack, programs: Path, folder: Path) -> Server:
    port = free_port()
    write(folder, dict(WHEELS))
    argv = (programs / "pypi-server", "run", "-p", str(port), "-i", "127.0.0.1", folder)
    return stack.enter_context(server(port, *argv)), f"http://127.0.0.1:{port}/simple/big/"


def start_bare(stack: ExitStack, page: Path) -> Server:
    """The server of `bundle serve` without it."""
    port = free_port()
    words = ("-m", "tests.bench.bare_server", str(port), str(os.cpu_count() or 1), page)
    return stack.enter_context(server(port, sys.executable, *words)), f"http://127.0.0.1:{port}/"


def print_medians(found: dict[str, list[Measured]], kinds: tuple[str, ...]) -> None:
    """A line for each run, with its ratio to nginx's of the same kind."""
    for name, some in found.items():
        kind = next(each for each in kinds if name.endswith(each))
        theirs = found[f"nginx, {kind}"]
        requests, mib, p99, used, ratio = (
            statistics.median(values)
            for values in (
                [each.requests for each in some],
                [each.mib for each in some],
                [each.p99 for each in some],
                [each.cpu for each in some],
                [one.requests / other.requests for one, other in zip(some, theirs, strict=True)],
            )
        )
        print(
            f"{name:26} {requests:9.0f}/s {mib:7.0f} MiB/s  p99 {p99:7.1f} ms  "
            f"CPU {used:8.1f} us  {ratio:6.2f} x nginx"
        )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--projects", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", type=Path)
    asked = parser.parse_args()
    load = (f"-d{asked.seconds}s", f"-t{asked.threads}")
    for program in ("wrk", "nginx"):
        if not shutil.which(program):
            raise SystemExit(f"{program} is not here")
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)  # nginx's processes are not root's
        mirror, wheel = make_mirror(folder / "mirror", asked.projects)
        cores = os.cpu_count() or 1
        ours, theirs = free_port(), free_port()
        words = ("serve", mirror.root, *AS_ROOT, "--port", str(ours), "--workers", str(cores))
        process = stack.enter_context(server(ours, sys.executable, "-m", "bundler", *words))
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(cores=cores, folder=folder, port=theirs, root=mirror.root))
        beside = stack.enter_context(server(theirs, "nginx", "-c", config))
        both = {
            "bundle serve": (process, f"http://127.0.0.1:{ours}/"),
            "nginx": (beside, f"http://127.0.0.1:{theirs}/"),
        }
        print(f"memory: {memory(process)} at first")
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(ask_for_all, [both["bundle serve"][1]] * 2, [asked.projects] * 2))
        print(f"memory: {memory(process)} after all pages")
        pages = {name: (server, f"{url}simple/big/") for name, (server, url) in both.items()}
        bare = start_bare(stack, mirror.simple / "big" / HTML_NAME)
        gzip = ("Accept-Encoding: gzip",)
        runs: dict[str, tuple[*Server, tuple[str, ...]]] = {
            f"{name}, page": (*page, ()) for name, page in pages.items()
        }
        runs["bare granian, page"] = (*bare, ())
        if asked.peers:
            runs["pypiserver, page"] = (*start_pypiserver(stack, asked.peers, folder / "pypi"), ())
            runs["devpi, page"] = (*start_devpi(stack, asked.peers, folder / "devpi"), ())
        runs |= {f"{name}, page, gzip": (*page, gzip) for name, page in pages.items()}
        runs |= {
            f"{name}, wheel": (server, url + wheel, ()) for name, (server, url) in both.items()
        }
        found: dict[str, list[Measured]] = {name: [] for name in runs}
        for _ in range(asked.rounds):
            for name, (measured, url, headers) in runs.items():
                found[name].append(wrk(measured, url, headers, load))
        print(f"memory: {memory(process)} after the load")
        print_medians(found, ("page", "page, gzip", "wheel"))


if __name__ == "__main__":
    main()
