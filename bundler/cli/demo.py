"""`bundle demo`: the whole round trip in one folder, with the commands that a user would type."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tomli_w
import typer
from packaging.tags import sys_tags

from bundler.cli.console import Console, console
from bundler.cli.examples import example
from bundler.cli.options import AsJson, Quiet
from bundler.cli.results import Said
from bundler.errors import BundlerError

if TYPE_CHECKING:
    from bundler.model.profile import Profile

_PIP_OPTIONS = ("--isolated", "--disable-pip-version-check")


def demo(
    folder: Annotated[Path, typer.Argument(help="Made for the demo; must not exist.")] = Path(
        "bundle-demo"
    ),
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Go the whole way in one folder, printing each command before it runs.

    From a key to `pip install` with no index but the mirror and, where the system allows it, with
    no network at all.
    """
    from bundler.model.profile import parse_profile

    with console(as_json=as_json, quiet=quiet) as out:
        if folder.exists():
            raise BundlerError(
                f"{folder} exists", hint="remove it, or name another: bundle demo DIR"
            )
        folder.mkdir(parents=True)
        source = _profile()
        (folder / "quickstart.toml").write_bytes(source)
        run = _Runner(folder, out)
        out.say("# outside: on a host that reaches the index")
        run("bundle", "keygen", "demo", "--home", "home")
        run("bundle", "trust", "init", "quickstart", "--key", "demo", "--home", "home")
        run("bundle", "trust", "export", "quickstart", "-o", "root.json", "--home", "home")
        run("bundle", "create", "quickstart.toml", "-o", "out", "--home", "home")
        volume = "out/quickstart-000001.v01.tar.zst"
        out.say("# the gap: root.json once, by a trusted way; then each bundle")
        run("bundle", "inspect", volume)
        run("bundle", "trust", "pin", "root.json", "--into", "mirror")
        run("bundle", "verify", volume, "--mirror", "mirror")
        run("bundle", "unpack", volume, "--into", "mirror")
        out.say("# inside: pip, with no index but the mirror")
        ending = _install(run, parse_profile(source, "quickstart.toml"), folder)
        out.result(Said(ending, {"mirror": str(folder / "mirror")}))


class _Runner:
    """Prints a command as a user would type it, then runs it in the demo's folder."""

    def __init__(self, folder: Path, out: Console) -> None:
        self._folder, self._out = folder, out

    def __call__(self, *words: str) -> None:
        """Run a command; what it prints goes to stderr, since stdout belongs to the result.

        Raises:
            BundlerError: if it fails, with its exit code.
        """
        self._out.say(f"$ {shlex.join(words)}")
        own = {"bundle": [sys.executable, "-m", "bundler"], "python": [sys.executable]}
        argv = [*own.get(words[0], words[:1]), *words[1:]]
        try:
            subprocess.run(argv, cwd=self._folder, stdout=sys.stderr, check=True)  # noqa: S603 - ours
        except subprocess.CalledProcessError as error:
            raise BundlerError(f"{words[0]} ended with exit code {error.returncode}") from error


def _profile() -> bytes:
    """The quickstart profile, for this host's Python as well, so that it can install at the end."""
    document = tomllib.loads(example("quickstart"))
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    pythons = document["targets"]["python"]
    document["targets"]["python"] = list(dict.fromkeys([*pythons, here]))
    return tomli_w.dumps(document).encode()


def _install(run: _Runner, profile: Profile, folder: Path) -> str:
    """Install from the mirror into a fresh environment, without a network where possible."""
    host = set(sys_tags())
    if not any(target.tags.keys() <= host for target in profile.parsed_targets()):
        return "this host is none of the profile's targets, so nothing was installed here"
    run("python", "-m", "venv", "venv")
    index = (folder / "mirror" / "simple").absolute().as_uri() + "/"
    # No configuration file and no variable of this host may name another index.
    pip = ("env", f"PIP_CONFIG_FILE={os.devnull}", "venv/bin/pip", *_PIP_OPTIONS)
    install = ("install", "--quiet", "--no-cache-dir", "--index-url", index)
    run(*_without_network(), *pip, *install, *profile.profile.requirements)
    run(*pip, "list")
    return f"installed from {folder / 'mirror'} into {folder / 'venv'}"


def _without_network() -> tuple[str, ...]:
    """The words that put a command into an empty network namespace, where this host allows it."""
    words = ("unshare", "--map-root-user", "--net")
    if shutil.which(words[0]) is None:
        return ()
    probe = subprocess.run([*words, "true"], capture_output=True, check=False)  # noqa: S603 - ours
    return words if probe.returncode == 0 else ()
