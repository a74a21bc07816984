"""What clients do with a mirror: each of them, from a folder, `bundle serve`, and nginx.

`python -m tests.fakes.matrix FOLDER PLACE…` does it all in the network where it runs, and prints
what each cell came to: "" if it went well. `run_matrix` calls it where there is no network but
loopback.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packaging.utils import canonicalize_name

from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import publish
from bundler.mirror.serve import Tls
from tests.fakes.clients import clients_folder
from tests.fakes.mirrors import blob_of, bundled, deliver, documents_of
from tests.fakes.netns import clean_environment, run_isolated
from tests.fakes.nginx import static_mirror
from tests.fakes.serving import serving
from tests.fakes.tls import serve_tls
from tests.fakes.wheels import build_wheel

OLD = "2026-01-01T00:00:00.000000Z"
APP = build_wheel(
    "Demo.App", "1.0", requires=["leaf>=1", 'extra-dep; extra == "more"'], extras=["more"]
)
PLAIN = build_wheel("leaf", "1.5")
LOCAL = build_wheel("leaf", "1.5+x.1")
YANKED = build_wheel("leaf", "2.0")
FUTURE = build_wheel("leaf", "3.0", requires_python=">=4")
EXTRA = build_wheel("extra-dep", "0.1", tags="py2.py3-none-any", build="1")
WHEELS = (APP, PLAIN, LOCAL, YANKED, FUTURE, EXTRA)

CELLS = ("install", "extras", "hashes", "lock", "yanked", "local")
PLACES = ("file", "serve")
"""Where each change is tried; both are ours to get right."""

ALL_PLACES = (*PLACES, "nginx")
FAULTS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("poetry", "file"): ("reads no `file://` index", "python-poetry/poetry#5983"),
}
"""What clients cannot do, whoever the mirror is of: client and place → words and issue."""


def make_mirror(root: Path) -> None:
    """A mirror with everything that is tried."""
    mirror = Mirror.create(root)
    attested = mirror.store.put(b'{"version":1,"attestation_bundles":[]}')
    documents = documents_of(
        [
            *(bundled(wheel, upload_time=OLD) for wheel in (APP, PLAIN, EXTRA)),
            bundled(LOCAL, upload_time=OLD, provenance=attested),
            bundled(YANKED, yanked='loses <data> & "more"', upload_time=OLD),
            bundled(FUTURE, requires_python=">=4", upload_time=OLD),
        ]
    )
    publish(mirror, deliver(mirror, WHEELS, documents.values()), ignore)


class FailedError(AssertionError):
    """A client did not do what it was asked for; says what it said."""


@dataclass(frozen=True)
class Desk:
    """A folder where one client works, and the index that it is given."""

    folder: Path
    index: str

    def run(self, *words: str | Path, ok: bool = True, venv: str = "", cwd: str = "") -> str:
        """Run a command, which must end well or must not; what it said."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        env = clean_environment(home)
        if venv:
            env["VIRTUAL_ENV"] = str(self.folder / venv)
            env["PATH"] = f"{self.folder / venv / 'bin'}:{env['PATH']}"
        done = subprocess.run(
            list(map(str, words)),
            env=env,
            cwd=self.folder / cwd,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        said = done.stdout + done.stderr
        if (done.returncode == 0) != ok:
            raise FailedError(f"{' '.join(map(str, words))}: exit {done.returncode}: {said}")
        return said

    def venv(self, name: str) -> Path:
        """A fresh environment's Python."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        return folder / "bin" / "python"

    def has(self, name: str, **versions: str | Sequence[str]) -> None:
        """An environment must hold exactly this; a choice where clients differ."""
        folders = map(str, (self.folder / name).glob("lib/*/site-packages"))
        found = {
            str(canonicalize_name(each.name)): each.version
            for each in importlib.metadata.distributions(path=list(folders))
        }
        wanted = {key.replace("_", "-"): value for key, value in versions.items()}
        for key, value in wanted.items():
            choice = [value] if isinstance(value, str) else value
            if found.get(key) not in choice:
                raise FailedError(f"{key} is {found.get(key)}, not {' or '.join(choice)}")
        if found.keys() != wanted.keys():
            raise FailedError(f"installed are {sorted(found)}")

    def write(self, name: str, text: str) -> Path:
        """A file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path


_ALL = {"demo_app": "1.0", "leaf": "1.5+x.1", "extra_dep": "0.1"}
_BASE = {"demo_app": "1.0", "leaf": "1.5+x.1"}


def _pinned(spoil: int = 1) -> str:
    """Requirements with digests; -1 turns one round."""
    app, leaf = (blob_of(data).sha256 for _, data in (APP, LOCAL))
    return f"demo-app==1.0 --hash=sha256:{app}\nleaf==1.5+x.1 --hash=sha256:{leaf[::spoil]}\n"


class Installer:
    """pip and uv: requirements go into an environment."""

    def __init__(self, *words: str | Path) -> None:
        self._words = words

    def _install(self, desk: Desk, venv: str, *words: str | Path, ok: bool = True) -> str:
        python = desk.venv(venv)
        return desk.run(
            *self.command(python), "install", *self.options(desk, python), *words, ok=ok
        )

    def command(self, python: Path) -> list[str | Path]:
        return [*self._words, "--isolated", "--python", python]

    def options(self, desk: Desk, python: Path) -> list[str | Path]:
        del python
        return ["--index-url", desk.index]

    def install(self, desk: Desk) -> None:
        self._install(desk, "a", "demo-app")
        desk.has("a", **_BASE)

    def extras(self, desk: Desk) -> None:
        self._install(desk, "b", "demo_app[more]")
        desk.has("b", **_ALL)

    def hashes(self, desk: Desk) -> None:
        right = desk.write("right.txt", _pinned())
        self._install(desk, "c", "--require-hashes", "-r", right)
        desk.has("c", **_BASE)
        wrong = desk.write("wrong.txt", _pinned(-1))
        said = self._install(desk, "c", "--require-hashes", "-r", wrong, ok=False)
        if "hash" not in said.lower():
            raise FailedError(said)

    def yanked(self, desk: Desk) -> None:
        said = self._install(desk, "d", "leaf==2.0")
        if 'loses <data> & "more"' not in said:
            raise FailedError(f"the reason is not said: {said}")
        desk.has("d", leaf="2.0")

    def local(self, desk: Desk) -> None:
        self._install(desk, "e", "leaf==1.5+x.1")
        desk.has("e", leaf="1.5+x.1")

    def lock(self, desk: Desk) -> None:
        raise NotImplementedError


class Pip(Installer):
    def lock(self, desk: Desk) -> None:
        path = desk.folder / "pylock.toml"
        desk.run(*self.command(desk.venv("f")), "lock", "--index-url", desk.index, "demo_app[more]",
                 "-o", path)  # fmt: skip
        _knows(path.read_text(), APP, LOCAL, EXTRA)
        self._install(desk, "f", "-r", path)
        desk.has("f", **_ALL)


class OldPip(Installer):
    """Before it could lock: its report says what it would install, with digests."""

    def lock(self, desk: Desk) -> None:
        report = desk.folder / "report.json"
        self._install(desk, "f", "demo_app[more]", "--dry-run", "--report", report)
        lines = []
        for each in json.loads(report.read_bytes())["install"]:
            said, info = each["metadata"], each["download_info"]
            digest = info["archive_info"]["hash"].replace("=", ":", 1)
            lines.append(f"{said['name']}=={said['version']} --hash={digest}\n")
        _knows("".join(lines), APP, LOCAL, EXTRA)
        self._install(desk, "f", "--require-hashes", "-r", desk.write("lock.txt", "".join(lines)))
        desk.has("f", **_ALL)


class Uv(Installer):
    def command(self, python: Path) -> list[str | Path]:
        del python
        return [*self._words, "pip"]

    def options(self, desk: Desk, python: Path) -> list[str | Path]:
        return ["--python", python, "--default-index", desk.index]

    def lock(self, desk: Desk) -> None:
        desk.write(
            "app/pyproject.toml",
            """\
            [project]
            name = "app"
            version = "0"
            requires-python = ">=3.11"
            dependencies = ["demo-app[more]"]
            """,
        )
        words = ("--default-index", desk.index)
        desk.run(*self._words, "lock", *words, cwd="app", venv="f")
        _knows((desk.folder / "app" / "uv.lock").read_text(), APP, LOCAL, EXTRA, digests=False)
        for _ in range(2):
            desk.venv("f")
            desk.run(*self._words, "sync", "--locked", "--active", *words, cwd="app", venv="f")
            desk.has("f", **_ALL)


class Project:
    """Poetry and PDM: a project is locked, and its lock installed; they always check digests."""

    leaf: Sequence[str] = ("1.5+x.1",)
    lock_file = ""

    def __init__(self, program: Path) -> None:
        self._program = program

    def _begin(self, desk: Desk, name: str, requirement: str) -> None:
        desk.venv(f"{name}-env")
        desk.write(f"{name}/pyproject.toml", self.pyproject(desk.index, requirement))
        self.say(desk, name, "lock")

    def say(self, desk: Desk, name: str, *words: str, ok: bool = True) -> str:
        return desk.run(
            self._program, *words, "--no-interaction", cwd=name, venv=f"{name}-env", ok=ok
        )

    def sync(self, desk: Desk, name: str, *, ok: bool = True) -> str:
        raise NotImplementedError

    def pyproject(self, index: str, requirement: str) -> str:
        raise NotImplementedError

    def install(self, desk: Desk) -> None:
        self._begin(desk, "a", "demo-app")
        self.sync(desk, "a")
        desk.has("a-env", demo_app="1.0", leaf=self.leaf)

    def extras(self, desk: Desk) -> None:
        self._begin(desk, "b", "demo-app[more]")
        self.sync(desk, "b")
        desk.has("b-env", demo_app="1.0", leaf=self.leaf, extra_dep="0.1")

    def lock(self, desk: Desk) -> None:
        """Of `extras`, once more, into an environment that is new."""
        _knows((desk.folder / "b" / self.lock_file).read_text(), APP, EXTRA)
        desk.venv("b-env")
        self.sync(desk, "b")
        desk.has("b-env", demo_app="1.0", leaf=self.leaf, extra_dep="0.1")

    def hashes(self, desk: Desk) -> None:
        shutil.copytree(desk.folder / "b", desk.folder / "c")
        path = desk.folder / "c" / self.lock_file
        digest = blob_of(EXTRA[1]).sha256
        path.write_text(path.read_text().replace(digest, digest[::-1]))
        desk.venv("c-env")
        said = self.sync(desk, "c", ok=False).lower()
        if "hash" not in said and "checksum" not in said:
            raise FailedError(said)

    def yanked(self, desk: Desk) -> None:
        self._begin(desk, "d", "leaf==2.0")
        self.sync(desk, "d")
        desk.has("d-env", leaf="2.0")

    def local(self, desk: Desk) -> None:
        self._begin(desk, "e", "leaf==1.5+x.1")
        self.sync(desk, "e")
        desk.has("e-env", leaf="1.5+x.1")


class Poetry(Project):
    lock_file = "poetry.lock"

    def pyproject(self, index: str, requirement: str) -> str:
        return f"""\
            [project]
            name = "app"
            version = "0"
            requires-python = ">=3.11,<4"
            dependencies = ["{requirement}"]
            [tool.poetry]
            package-mode = false
            [[tool.poetry.source]]
            name = "mirror"
            url = "{index}"
            priority = "primary"
            """

    def sync(self, desk: Desk, name: str, *, ok: bool = True) -> str:
        return self.say(desk, name, "sync", ok=ok)


class Pdm(Project):
    # It takes no local version unless it is asked for one.
    leaf = ("1.5", "1.5+x.1")
    lock_file = "pdm.lock"

    def pyproject(self, index: str, requirement: str) -> str:
        return f"""\
            [project]
            name = "app"
            version = "0"
            requires-python = ">=3.11"
            dependencies = ["{requirement}"]
            [tool.pdm]
            distribution = false
            [[tool.pdm.source]]
            name = "pypi"
            url = "{index}"
            """

    def say(self, desk: Desk, name: str, *words: str, ok: bool = True) -> str:
        python = desk.folder / f"{name}-env" / "bin" / "python"
        desk.write(f"{name}/.pdm-python", str(python))
        return desk.run(self._program, *words, cwd=name, venv=f"{name}-env", ok=ok)

    def sync(self, desk: Desk, name: str, *, ok: bool = True) -> str:
        return self.say(desk, name, "sync", ok=ok)


def _knows(lock: str, *wheels: tuple[str, bytes], digests: bool = True) -> None:
    for filename, data in wheels:
        if blob_of(data).sha256 not in lock and (digests or filename not in lock):
            raise FailedError(f"the lock has no digest of {filename}: {lock}")


def clients(folder: Path) -> dict[str, Installer | Project]:
    """Every client by its name."""
    return {
        "pip": Pip(sys.executable, "-m", "pip"),
        "pip-old": OldPip(folder / "pip-old" / "bin" / "python", "-m", "pip"),
        "uv": Uv(shutil.which("uv") or "uv"),
        "poetry": Poetry(folder / "poetry" / "bin" / "poetry"),
        "pdm": Pdm(folder / "pdm" / "bin" / "pdm"),
    }


def versions(folder: Path) -> dict[str, str]:
    """Of each client, as it says itself."""
    programs: dict[str, list[str | Path]] = {
        "pip": [sys.executable, "-m", "pip"],
        "pip-old": [folder / "pip-old" / "bin" / "python", "-m", "pip"],
        "uv": ["uv"],
        "poetry": [folder / "poetry" / "bin" / "poetry"],
        "pdm": [folder / "pdm" / "bin" / "pdm"],
        "bandersnatch": [folder / "bandersnatch" / "bin" / "bandersnatch"],
    }
    found = {}
    for name, words in programs.items():
        command = [*map(str, words), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        match = re.search(r"\d+(\.\d+)+", said)
        assert match, said
        found[name] = match[0]
    return found


def mirror_with_bandersnatch(desk: Desk, program: Path, root: Path) -> None:
    """The tool that mirrors indexes takes everything from us; it wants TLS."""
    authority = serve_tls(desk.folder).authority
    tls = Tls(authority, desk.folder / "key.pem")
    with serving(root, tls=tls) as url:
        _mirror_with_bandersnatch(desk, program, url, authority)


def _mirror_with_bandersnatch(desk: Desk, program: Path, url: str, authority: Path) -> None:
    config = desk.write(
        "bandersnatch.conf",
        f"""\
        [mirror]
        directory = {desk.folder / "copy"}
        master = {url.rstrip("/")}
        api-method = simple
        json = true
        workers = 2
        hash-index = false
        """,
    )
    desk.run("env", f"SSL_CERT_FILE={authority}", program, "-c", config, "mirror")
    copied = {path.name for path in (desk.folder / "copy" / "web" / "packages").rglob("*.whl")}
    copied |= {path.name for path in (desk.folder / "copy" / "web").rglob("*.whl")}
    missing = {filename for filename, _ in WHEELS} - copied
    if missing:
        raise FailedError(f"not mirrored: {sorted(missing)}")


def _outcome(cell: Callable[[], object]) -> str:
    try:
        cell()
    except (FailedError, OSError, subprocess.SubprocessError) as error:
        return str(error)[-3000:] or repr(error)
    return ""


def _work(client: Installer | Project, desk: Desk, cells: Sequence[str]) -> dict[str, str]:
    desk.folder.mkdir(parents=True)
    return {name: _outcome(partial(getattr(client, name), desk)) for name in cells}


def main() -> None:
    """Do it all; print one JSON object: client → place → cell → "" or what went wrong."""
    folder, places = Path(sys.argv[1]), sys.argv[2:]
    tools = clients_folder()
    root = folder / "mirror"
    with ExitStack() as stack:
        indexes = {"file": f"{root.as_uri()}/simple"}
        indexes["serve"] = f"{stack.enter_context(serving(root))}simple/"
        if "nginx" in places:
            indexes["nginx"] = f"{stack.enter_context(static_mirror(root, folder))}simple/"
        found: dict[str, dict[str, dict[str, str]]] = {}
        with ThreadPoolExecutor(2) as pool:
            jobs = {
                (name, place): pool.submit(
                    _work,
                    client,
                    Desk(folder / f"{name}-{place}", indexes[place]),
                    CELLS[:1] if (name, place) in FAULTS else CELLS,
                )
                for name, client in clients(tools).items()
                for place in places
            }
            for (name, place), job in jobs.items():
                found.setdefault(name, {})[place] = job.result()
    desk = Desk(folder / "bandersnatch", "")
    desk.folder.mkdir()
    program = tools / "bandersnatch" / "bin" / "bandersnatch"
    mirror = partial(mirror_with_bandersnatch, desk, program, root)
    found["bandersnatch"] = {"serve": {"mirror": _outcome(mirror)}}
    print(json.dumps(found))


def run_matrix(
    folder: Path, places: Sequence[str] = PLACES, timeout: float = 280
) -> dict[str, dict[str, dict[str, str]]]:
    """What each cell came to, in a network of its own."""
    make_mirror(folder / "mirror")
    home = folder / "home"
    home.mkdir()
    env = clean_environment(home) | {"BUNDLER_CLIENTS": str(clients_folder().parent)}
    argv: list[str | Path] = [sys.executable, "-m", "tests.fakes.matrix", folder, *places]
    done = run_isolated(argv, env, folder, timeout)
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    found: dict[str, dict[str, dict[str, str]]] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
