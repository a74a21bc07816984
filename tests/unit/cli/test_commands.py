"""Each command by itself: what it makes, what it says, what it refuses."""

from __future__ import annotations

import json
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from bundler import __version__
from bundler.cli.main import app, main
from bundler.model.profile import parse_profile
from tests.fakes.command import Site, bundle, read_json, site, succeed, tree
from tests.fakes.serving import AS_ROOT
from tests.fakes.tls import serve_tls

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
HOSTILE = "\x1b[31mred\x07\x9b"

Home = tuple[str, str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with one bundle that is live, for tests that change nothing in it."""
    with site(tmp_path_factory.mktemp("site")) as made:
        assert made.create().exit_code == 0
        succeed("unpack", made.volume(), "--into", made.mirror)
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return "--home", str(tmp_path / "home")


@pytest.fixture
def one_key(home: Home) -> Home:
    succeed("keygen", "officer", *home)
    return home


def every_command() -> dict[str, TyperCommand]:
    """Each command by the words that call it."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    found: dict[str, TyperCommand] = {}
    for name, each in group.commands.items():
        inner = each.commands if isinstance(each, TyperGroup) else {"": each}
        for below, command in inner.items():
            assert isinstance(command, TyperCommand)
            found[f"{name} {below}".strip()] = command
    return found


COMMANDS = every_command()


# The program itself.


def test_version() -> None:
    assert succeed("--version").stdout == f"bundle {__version__}\n"


def test_the_program_needs_a_command() -> None:
    result = bundle()
    assert result.exit_code == 2
    assert "Usage: bundle" in result.stdout


def test_an_unknown_command() -> None:
    result = bundle("bogus")
    assert result.exit_code == 2
    assert "No such command 'bogus'" in result.stderr


def test_help_names_every_command_with_its_purpose() -> None:
    text = succeed("-h").stdout
    assert text == succeed("--help").stdout
    assert {"create", "unpack", "trust pin", "target show"} < set(COMMANDS)
    for name, command in COMMANDS.items():
        assert command.help, name
        assert name.partition(" ")[0] in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    command = COMMANDS[name]
    assert [each.name for each in command.params if not getattr(each, "help", None)] == []
    options = {option for each in command.params for option in each.opts}
    assert {"--json", "--quiet", "-q"} <= options
    text = succeed(*name.split(), "--help").stdout
    for option in options:
        assert option.upper() in text.upper()


def test_main_can_be_called_twice_in_one_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        words = ["bundle", "keygen", name, "--home", str(tmp_path), "--json"]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        assert json.loads(capsys.readouterr().out)["name"] == name
    monkeypatch.setattr(sys, "argv", ["bundle", "keygen", "one", "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "a key of the name one exists already" in capsys.readouterr().err


# init


def test_init_writes_a_profile_that_create_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: Site, one_key: Home
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", finished.index.url)
    said = succeed("init", "my_team.toml").stdout
    assert "bundle trust init my-team --key NAME\n  bundle create my_team.toml -o out" in said
    path = tmp_path / "my_team.toml"
    profile = parse_profile(path.read_bytes(), "my_team.toml")
    assert profile.stream == "my-team"
    text = path.read_text().replace('"requests>=2.32"', '"app"').replace('"3.11", ', "")
    path.write_text(text)
    succeed("trust", "init", "my-team", "--key", "officer", *one_key)
    created = succeed("create", path, "-o", tmp_path / "out", *one_key, "--json")
    assert read_json(created)["stream"] == "my-team"
    assert read_json(created)["files"] == 2  # app, and lib for Linux


def test_init_has_a_default_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_json(succeed("init", "--json")) == {"profile": "profile.toml"}
    assert [path.name for path in tmp_path.iterdir()] == ["profile.toml"]


def test_init_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("precious")
    result = bundle("init", path)
    assert result.exit_code == 1
    assert f"error: {path} exists\nhint: give another name\n" in result.stderr
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("Web_Team.toml", "web-team"),
        ("v1.2.toml", "v1-2"),
        ("a", "a"),
        (f"{'x' * 64}.toml", "x" * 64),
    ],
)
def test_init_makes_a_streams_name_of_the_files(tmp_path: Path, name: str, stream: str) -> None:
    succeed("init", tmp_path / name)
    assert parse_profile((tmp_path / name).read_bytes(), name).stream == stream


@pytest.mark.parametrize(
    "name",
    [
        "ünïcode.toml", "two words.toml", "_.toml", "-x-.toml", f"{'x' * 65}.toml", 'quo"te.toml',
        "back\\slash.toml", "new\nline.toml", f"{HOSTILE}.toml", ".toml",
        "not-utf8-\udcff.toml",
    ],
)  # fmt: skip
def test_init_refuses_what_cannot_be_a_stream(tmp_path: Path, name: str) -> None:
    result = bundle("init", tmp_path / name)
    assert result.exit_code == 1, result.output
    assert "cannot be a stream's name" in result.stderr
    assert "lowercase letters, digits and inner hyphens" in result.stderr
    assert CONTROL.findall(result.output) == []
    assert list(tmp_path.iterdir()) == []


def test_init_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = bundle("init", tmp_path / "none" / "x.toml")
    assert result.exit_code == 1
    assert f"{tmp_path / 'none'} is not a folder" in result.stderr


# keygen


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "ml-dsa"])
def test_keygen(tmp_path: Path, home: Home, kind: str) -> None:
    made = read_json(succeed("keygen", "alice", "--type", kind, *home, "--json"))
    private, public = tmp_path / "home/keys/alice.key", tmp_path / "home/keys/alice.pub"
    assert (made["private"], made["public"]) == (str(private), str(public))
    assert re.fullmatch(r"([0-9a-f]{4} ){3}[0-9a-f]{4}", made["fingerprint"])
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert public.read_text().startswith("-----BEGIN PUBLIC KEY-----")
    begun = read_json(succeed("trust", "init", "s", "--key", "alice", *home, "--json"))
    assert begun["keys"] == [made["fingerprint"]]


def test_keygen_tells_people_where_the_key_is(tmp_path: Path, home: Home) -> None:
    text = succeed("keygen", "alice", *home).stdout
    assert text.startswith("key alice: ")
    assert f"private  {tmp_path / 'home/keys/alice.key'} (keep it to yourself)" in text


def test_keygen_never_overwrites(tmp_path: Path, one_key: Home) -> None:
    before = tree(tmp_path)
    result = bundle("keygen", "officer", *one_key)
    assert result.exit_code == 1
    assert "a key of the name officer exists already in " in result.stderr
    assert "hint: choose another name; a key is never overwritten" in result.stderr
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["", "../up", "a b", "-x", "x" * 65, HOSTILE, "a/b"])
def test_keygen_refuses_an_odd_name(tmp_path: Path, home: Home, name: str) -> None:
    result = bundle("keygen", *home, "--", name)
    assert result.exit_code == 1
    assert "is no name for a key" in result.stderr
    assert CONTROL.findall(result.output) == []
    assert list(tmp_path.iterdir()) == []


def test_keygen_of_an_unknown_type(home: Home) -> None:
    result = bundle("keygen", "x", "--type", "rsa", *home)
    assert result.exit_code == 2
    assert "rsa" in result.stderr


def test_the_home_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNDLER_HOME", str(tmp_path / "from-environment"))
    made = read_json(succeed("keygen", "alice", "--json"))
    assert made["private"] == str(tmp_path / "from-environment/keys/alice.key")
    other = read_json(succeed("keygen", "alice", "--home", tmp_path / "named", "--json"))
    assert other["private"] == str(tmp_path / "named/keys/alice.key")


def test_without_a_home_the_system_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    succeed("keygen", "alice")
    succeed("trust", "init", "s", "--key", "alice")
    assert (tmp_path / "config/bundler/keys/alice.key").is_file()
    assert (tmp_path / "data/bundler/streams/s").is_dir()


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = bundle("keygen", "x", "--home", tmp_path / "file")
    assert result.exit_code == 2
    assert "is a file" in result.stderr


# trust init


def test_trust_init_with_a_threshold(home: Home) -> None:
    for name in ("a", "b", "c", "packer"):
        succeed("keygen", name, *home)
    keys = ("--key", "a", "--key", "b", "--key", "c")
    begun = read_json(
        succeed("trust", "init", "s", *keys, "--threshold", "2", "--packing-key", "packer", *home,
                "--json")
    )  # fmt: skip
    assert begun["stream"] == "s"
    assert begun["root"] == 1
    assert begun["threshold"] == 2
    assert len(begun["keys"]) == 3
    assert re.fullmatch(r"([0-9a-f]{8} ){7}[0-9a-f]{8}", begun["fingerprint"])


def test_trust_init_with_a_key_twice(one_key: Home) -> None:
    keys = ("--key", "officer", "--key", "officer")
    result = bundle("trust", "init", "s", *keys, *one_key)
    assert result.exit_code == 4
    assert result.stderr == (
        "error: a key stands twice among the officers\nhint: give each officer's key once\n"
    )


@pytest.mark.parametrize(
    ("threshold", "code", "message"),
    [
        ("2", 4, "2 of 1 different keys cannot be required to sign"),
        ("0", 2, "--threshold"),
        ("x", 2, "--threshold"),
    ],
)
def test_trust_init_with_a_threshold_that_cannot_be(
    tmp_path: Path, one_key: Home, threshold: str, code: int, message: str
) -> None:
    result = bundle("trust", "init", "s", "--key", "officer", "--threshold", threshold, *one_key)
    assert result.exit_code == code
    assert message in result.stderr
    assert not (tmp_path / "home/streams/s").exists()


def test_trust_init_needs_a_key(home: Home) -> None:
    result = bundle("trust", "init", "s", *home)
    assert result.exit_code == 2
    assert "--key" in result.stderr


def test_trust_init_says_which_key_is_missing(tmp_path: Path, home: Home) -> None:
    result = bundle("trust", "init", "s", "--key", "nobody", *home)
    assert result.exit_code == 1
    assert "there is no key 'nobody'" in result.stderr
    assert "hint: `bundle keygen nobody` makes one" in result.stderr
    assert not (tmp_path / "home/streams/s").exists()


def test_a_key_that_others_may_read_is_refused(tmp_path: Path, one_key: Home) -> None:
    key = tmp_path / "home/keys/officer.key"
    key.chmod(0o644)
    result = bundle("trust", "init", "s", "--key", "officer", *one_key)
    assert result.exit_code == 4
    assert f"{key}: others than its owner may use this private key (mode 0644)" in result.stderr
    assert f"hint: run: chmod 600 {key}" in result.stderr
    assert not (tmp_path / "home/streams/s").exists()


def test_create_refuses_a_key_that_others_may_read(tmp_path: Path) -> None:
    with site(tmp_path) as made:
        (tmp_path / "home/keys/officer.key").chmod(0o640)
        result = made.create()
        assert result.exit_code == 4
        assert "(mode 0640)" in result.stderr
        assert not made.out.exists()
        assert made.index.requests == []


def test_trust_init_twice(tmp_path: Path, one_key: Home) -> None:
    succeed("trust", "init", "s", "--key", "officer", *one_key)
    before = tree(tmp_path)
    result = bundle("trust", "init", "s", "--key", "officer", *one_key)
    assert result.exit_code == 1
    assert "s" in result.stderr
    assert "exists" in result.stderr
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["", "Upper", "../up", "a/b", "-x", "x" * 65, HOSTILE, "ü"])
def test_trust_init_refuses_an_odd_stream(tmp_path: Path, one_key: Home, name: str) -> None:
    before = tree(tmp_path)
    result = bundle("trust", "init", "--key", "officer", *one_key, "--", name)
    assert result.exit_code in {1, 4}
    assert "stream" in result.stderr
    assert CONTROL.findall(result.output) == []
    assert tree(tmp_path) == before


# trust export and pin


def test_export_and_pin_show_the_same_fingerprint(tmp_path: Path, one_key: Home) -> None:
    begun = read_json(succeed("trust", "init", "s", "--key", "officer", *one_key, "--json"))
    root, mirror = tmp_path / "root.json", tmp_path / "deep" / "mirror"
    exported = succeed("trust", "export", "s", "-o", root, *one_key)
    assert f"wrote {root}: s, root version 1" in exported.stdout
    assert begun["fingerprint"] in exported.stdout
    assert "next, inside: bundle trust pin root.json --into MIRROR" in exported.stdout
    pinned = succeed("trust", "pin", root, "--into", mirror)
    assert pinned.stdout.startswith("pinned s, root version 1")
    assert begun["fingerprint"] in pinned.stdout
    before = tree(mirror)
    again = succeed("trust", "pin", root, "--into", mirror)
    assert again.stdout.startswith("pinned already: s, root version 1")
    assert tree(mirror) == before
    assert read_json(succeed("trust", "pin", root, "--into", mirror, "--json")) == begun


def test_show_of_no_stream(finished: Site, tmp_path: Path) -> None:
    result = bundle("trust", "show", "tset", *finished.home)
    assert result.exit_code == 1
    assert "there is no stream tset" in result.stderr
    assert "hint: did you mean test? " in result.stderr
    result = bundle("trust", "show", "--mirror", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path} is not a mirror" in result.stderr


def test_export_of_no_stream(tmp_path: Path, home: Home) -> None:
    result = bundle("trust", "export", "none", "-o", tmp_path / "root.json", *home)
    assert result.exit_code == 1
    assert "there is no stream none" in result.stderr
    assert not (tmp_path / "root.json").exists()


def test_another_root_of_the_same_stream_is_refused(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    for name in ("first", "second"):
        at = ("--home", str(tmp_path / name))
        succeed("keygen", "officer", *at)
        succeed("trust", "init", "s", "--key", "officer", *at)
        succeed("trust", "export", "s", "-o", tmp_path / f"{name}.json", *at)
    succeed("trust", "pin", tmp_path / "first.json", "--into", mirror)
    before = tree(mirror)
    result = bundle("trust", "pin", tmp_path / "second.json", "--into", mirror, "--json")
    assert result.exit_code == 4
    assert "another root is pinned for the stream s" in result.stderr
    assert read_json(result)["error"]["code"] == "trust"
    assert tree(mirror) == before


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"hello", b"[]", b"\x00\xff\x1b[31m", b'{"signed": {"_type": "root"}}',
        b"[" * 99999,
    ],
)  # fmt: skip
def test_what_is_no_root_is_not_pinned(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "root.json"
    path.write_bytes(content)
    result = bundle("trust", "pin", path, "--into", tmp_path / "mirror")
    assert result.exit_code == 4, result.output
    assert str(path) in result.stderr
    assert CONTROL.findall(result.output) == []
    assert not (tmp_path / "mirror").exists()


def test_a_root_with_a_changed_byte_is_not_pinned(finished: Site, tmp_path: Path) -> None:
    path = tmp_path / "root.json"
    path.write_bytes(finished.root.read_bytes().replace(b'"threshold":1', b'"threshold":0', 1))
    assert path.read_bytes() != finished.root.read_bytes()
    result = bundle("trust", "pin", path, "--into", tmp_path / "mirror")
    assert result.exit_code == 4
    assert not (tmp_path / "mirror").exists()


def test_a_bundle_is_no_root(finished: Site, tmp_path: Path) -> None:
    result = bundle("trust", "pin", finished.volume(), "--into", tmp_path / "mirror")
    assert result.exit_code == 4
    assert not (tmp_path / "mirror").exists()


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    result = bundle("trust", "pin", tmp_path / "none.json", "--into", tmp_path / "mirror")
    assert result.exit_code == 1
    assert f"{tmp_path / 'none.json'}: no such file or directory" in result.stderr
    assert not (tmp_path / "mirror").exists()


def test_a_mirror_is_not_made_of_a_folder_with_something_else(
    finished: Site, tmp_path: Path
) -> None:
    (tmp_path / "simple").mkdir()
    before = tree(tmp_path)
    result = bundle("trust", "pin", finished.root, "--into", tmp_path)
    assert result.exit_code == 1
    assert "holds files of another program" in result.stderr
    assert tree(tmp_path) == before


# serve


def serve(*words: str | Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "bundler", "serve", *AS_ROOT, *map(str, words)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_serve(finished: Site) -> None:
    with serve(finished.mirror, "--port", "0") as server:
        assert server.stdout
        try:
            first, second = server.stdout.readline(), server.stdout.readline()
            found = re.fullmatch(r"serving (.+) at (http://127\.0\.0\.1:(\d+)/)\n", first)
            assert found
            assert found[1] == str(finished.mirror)
            assert second == f"pip install --index-url {found[2]}simple/ …\n"
            taken = serve(finished.mirror, "--port", found[3], "--json")
            out, errors = taken.communicate(timeout=20)
            server.terminate()
            assert server.communicate(timeout=20) == ("", "")
            assert server.returncode == 0
        finally:
            server.kill()
    assert taken.returncode == 1
    assert f"error: cannot listen on 127.0.0.1 port {found[3]}" in errors
    assert "hint: choose another --host or --port" in errors
    assert json.loads(out)["error"]["code"] == "failed"


def test_serve_tells_programs_where(finished: Site) -> None:
    with serve(finished.mirror, "--port", "0", "--json", "--quiet") as server:
        assert server.stdout
        try:
            lines = [server.stdout.readline() for _ in range(4)]
            said = json.loads("".join(lines))
            server.terminate()
            assert server.communicate(timeout=20) == ("", "")
        finally:
            server.kill()
    assert set(said) == {"url", "index"}
    assert said["index"] == f"{said['url']}simple/"


def test_serve_what_is_no_mirror(tmp_path: Path) -> None:
    result = bundle("serve", *AS_ROOT, tmp_path, "--port", "0")
    assert result.exit_code == 1
    assert f"{tmp_path} is not a mirror" in result.stderr
    assert "bundle trust pin" in result.stderr


def test_serve_with_half_a_tls_pair(finished: Site, tmp_path: Path) -> None:
    tls = serve_tls(tmp_path)
    certificate_only = bundle(
        "serve", *AS_ROOT, finished.mirror, "--port", "0", "--tls-cert", tls.authority
    )
    assert certificate_only.exit_code == 1
    assert f"cannot use the certificate {tls.authority}" in certificate_only.stderr


def test_serve_with_a_certificate_that_is_not_there(finished: Site, tmp_path: Path) -> None:
    result = bundle(
        "serve", *AS_ROOT, finished.mirror, "--port", "0", "--tls-cert", tmp_path / "none.pem",
        "--tls-key", tmp_path / "none.key",
    )  # fmt: skip
    assert result.exit_code == 1
    assert f"cannot use the certificate {tmp_path / 'none.pem'}" in result.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_serve_on_a_port_that_cannot_be(finished: Site, port: str) -> None:
    assert bundle("serve", *AS_ROOT, finished.mirror, "--port", port).exit_code == 2


def test_serve_on_an_address_of_another_host(finished: Site) -> None:
    result = bundle("serve", *AS_ROOT, finished.mirror, "--host", "192.0.2.1", "--port", "0")
    assert result.exit_code == 1
    assert "cannot listen on 192.0.2.1 port 0" in result.stderr


def test_serve_in_process_says_that_a_port_is_taken(finished: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = bundle("serve", *AS_ROOT, finished.mirror, "--port", port)
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in result.stderr


# demo


def test_demo_in_a_folder_that_exists(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    before = tree(tmp_path)
    result = bundle("demo", tmp_path, "--json")
    assert result.exit_code == 1
    assert f"error: {tmp_path} exists" in result.stderr
    assert "hint: remove it, or name another: bundle demo DIR" in result.stderr
    assert read_json(result)["error"]["code"] == "failed"
    assert tree(tmp_path) == before


# Names that command a terminal.


@pytest.mark.parametrize("name", ["verify", "inspect", "unpack"])
def test_the_name_of_a_file_on_a_medium_commands_no_terminal(
    finished: Site, tmp_path: Path, name: str
) -> None:
    options: dict[str, tuple[str | Path, ...]] = {
        "verify": ("--mirror", finished.mirror),
        "inspect": (),
        "unpack": ("--into", finished.mirror),
    }
    good, bad = tmp_path / f"{HOSTILE}.tar.zst", tmp_path / f"{HOSTILE}2.tar.zst"
    good.write_bytes(finished.volume().read_bytes())
    bad.write_bytes(b"no bundle")
    for path in (good, bad, tmp_path / f"{HOSTILE}3.tar.zst"):
        for form in ((), ("--json",)):
            result = bundle(name, path, *options[name], *form)
            assert (result.exit_code == 0) == (path == good)
            assert CONTROL.findall(result.output) == []


def test_a_hostile_profile_commands_no_terminal(finished: Site, tmp_path: Path) -> None:
    text = finished.profile.read_text()
    path = tmp_path / f"{HOSTILE}.toml"
    toml_escape = "\\u001b[31m\\u0007"
    for old, new in (
        ('name = "test"', f'name = "{toml_escape}"'),
        ('"app"', f'"app {toml_escape}"'),
        ('["3.12"]', f'["{toml_escape}"]'),
        ("[targets]", f'"{toml_escape}" = 1\n[targets]'),
        ("[targets]", HOSTILE),
        (finished.index.url, f"https://example.org/{toml_escape}"),
    ):
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        result = bundle("create", path, "-o", tmp_path / "out", *finished.home)
        assert result.exit_code in {3, 6}, result.output
        assert CONTROL.findall(result.output) == []
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "command", "message"),
    [
        (["--json"], "", "No such option: --json"),
        (["creat", "--json"], "", "No such command 'creat'."),
        (["create", "web.toml", "--json"], " create", "Missing option '--output' / '-o'."),
        (["unpack", "--jso", "--json"], " unpack", "No such option: --jso"),
        (["trust", "--json"], " trust", "No such option: --json"),
        (
            ["approve", "m", "0", "--key", "k", "--json"],
            " approve",
            "Invalid value for 'SEQUENCE': Input should be greater than or equal to 1",
        ),
        (
            ["create", "-o", "out", "--json"],
            " create",
            "Invalid value: give a PROFILE, or --resume STAGED, or --resend LIST",
        ),
    ],
)
def test_wrong_usage_is_told_to_programs_too(words: list[str], command: str, message: str) -> None:
    result = bundle(*words)
    assert result.exit_code == 2
    error = read_json(result)["error"]
    assert error.pop("message").startswith(message)
    assert error == {"code": "usage", "exit-code": 2, "hint": f"bundle{command} --help"}
    assert "Usage: bundle" in result.stderr


def test_wrong_usage_is_told_to_people_on_stderr_only() -> None:
    result = bundle("create", "web.toml")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Missing option" in result.stderr
