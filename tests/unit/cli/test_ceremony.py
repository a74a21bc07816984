"""Officers who sign on machines of their own, as they would type it."""

from __future__ import annotations

import hashlib
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bundler.archive.staged import encode_staged, read_staged
from bundler.cli.main import app
from tests.fakes.attestations import attestation, provenance, statement
from tests.fakes.ceremony import Ceremony, ceremony
from tests.fakes.command import bundle, read_json, site, succeed, tree
from tests.fakes.fulcio import github
from tests.fakes.netns import clean_environment, require_isolation, run_isolated
from tests.fakes.sigstore import FakeSigstore
from tests.fakes.tokens import PIN, soft_token
from tests.fakes.wheels import build_wheel


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Ceremony]:
    with ceremony(tmp_path) as made:
        yield made


# Begin: a root that others sign


def test_officers_whose_private_keys_are_elsewhere(people: Ceremony) -> None:
    result = people.init(2, "ana", "ben", "cem")
    assert result.exit_code == 0
    assert "signatures by root 1: 0 of 2, 2 missing" in result.stdout
    assert f"then: bundle trust adopt {people.root_file.name}" in result.stdout
    early = bundle("trust", "export", "test", "-o", people.host.root, *people.host.home)
    assert early.exit_code == 4
    assert "the root of test is not signed by enough officers yet" in early.stderr
    first = people.sign(people.root_file, "cem")
    assert "(cem)" in first.stdout.split("signed")[1]
    short = bundle("trust", "adopt", people.root_file, *people.host.home)
    assert short.exit_code == 4
    assert "root 1 demands 2 signatures; 1 are there, missing: " in short.stderr
    assert "enough have signed" in people.sign(people.root_file, "ana").stdout
    adopted = read_json(succeed("trust", "adopt", people.root_file, *people.host.home, "--json"))
    assert (adopted["root"], adopted["threshold"], len(adopted["keys"])) == (1, 2, 3)
    again = bundle("trust", "adopt", people.root_file, *people.host.home)
    assert again.exit_code == 4
    assert "this is root 1; the next one of test is 2" in again.stderr


def test_a_root_that_this_host_did_not_begin_is_not_adopted(
    people: Ceremony, tmp_path: Path
) -> None:
    assert people.init(1, "ana").exit_code == 0
    people.sign(people.root_file, "ana")
    with ceremony(tmp_path / "elsewhere") as other:
        assert other.init(1, "ana").exit_code == 0
        other.sign(other.root_file, "ana")
        result = bundle("trust", "adopt", other.root_file, *people.host.home)
    assert result.exit_code == 4
    assert "not the root that `bundle trust init` made on this host" in result.stderr


def test_the_packing_hosts_key_must_be_on_the_host(people: Ceremony) -> None:
    key = people.public("ana")
    result = bundle("trust", "init", "test", "--key", key, *people.host.home)
    assert result.exit_code == 1
    assert "has no private half here" in result.stderr
    assert "hint: give --packing-key" in result.stderr


def test_two_officers_of_one_name(people: Ceremony) -> None:
    words = ("--key", f"x={people.public('ana')}", "--key", f"x={people.public('ben')}")
    result = bundle("trust", "init", "test", *words, "--packing-key", "host", *people.host.home)
    assert result.exit_code == 1
    assert "two keys have the name x" in result.stderr


# Roles as a table


def test_trust_show(people: Ceremony) -> None:
    people.begin(2, "ana", "ben")
    text = succeed("trust", "show", *people.host.home).stdout
    assert text.startswith("test, root version 1\nfingerprint  ")
    lines = [line.split() for line in text.splitlines()]
    assert lines[2] == ["role", "version", "expires", "must", "sign", "keys"]
    assert [line[0] for line in lines[3:] if len(line) > 8] == ["root", "targets", *PACKING]
    found = read_json(succeed("trust", "show", "test", *people.host.home, "--json"))
    roles = found["streams"][0]["roles"]
    assert [key["name"] for key in roles["targets"]["keys"]] == ["ana", "ben"]
    assert (roles["targets"]["threshold"], roles["targets"]["version"]) == (2, None)
    people.authorise(1, "ana", "ben")
    of_mirror = read_json(succeed("trust", "show", "--mirror", people.host.mirror, "--json"))
    mine = read_json(succeed("trust", "show", *people.host.home, "--json"))
    assert of_mirror == mine
    assert mine["streams"][0]["roles"]["targets"]["version"] == 1
    of_root = read_json(succeed("trust", "show", "--root", people.host.root, "--json"))
    assert of_root == found


PACKING = ("packing", "snapshot", "timestamp")


def test_trust_show_of_nothing(people: Ceremony) -> None:
    result = bundle("trust", "show", *people.host.home)
    assert result.exit_code == 1
    assert "there is no root of any stream in " in result.stderr


# Two persons for a bundle


def test_two_persons_authorise_a_bundle(people: Ceremony) -> None:
    people.begin(2, "ana", "ben", "cem")
    made = people.host.create()
    assert made.exit_code == 0, made.stderr
    assert "signatures by root 1: 0 of 2, 2 missing" in made.stdout
    for name in ("ana", "ben", "cem"):
        assert f"({name})" in made.stdout
    staged = people.staged()
    assert f"next, each of them: bundle sign {staged.name} --key KEY" in made.stdout
    assert f"then: bundle create --resume {staged} -o {people.host.out}" in made.stdout
    assert [path.name for path in people.host.out.iterdir()] == [staged.name]

    early = people.resume()
    assert early.exit_code == 4
    assert "2 of the officers' keys must sign; 0 have, missing: " in early.stderr
    shown = read_json(people.sign(staged, "ana", "--json"))
    assert (shown["complete"], shown["projects"], shown["files"]) == (False, 2, 3)
    assert (shown["since"], shown["added"]) == (0, ["app 1.0", "lib 1.0"])
    assert read_json(people.sign(staged, "cem", "--json"))["complete"]
    assert people.resume().exit_code == 0
    result = read_json(succeed("verify", people.host.volume(), "--mirror", people.host.mirror,
                               "--json"))  # fmt: skip
    roles = result["volumes"][0]["roles"]
    assert [each.split(" (")[1] for each in roles["targets"]["signers"]] == [
        "ana)",
        "cem)",
    ]
    succeed("unpack", people.host.volume(), "--into", people.host.mirror)


def test_what_is_packed_later_is_what_would_have_been_packed_at_once(tmp_path: Path) -> None:
    """Frame by frame: the metadata in the head differs, the rest does not."""
    with site(tmp_path / "one") as alone, ceremony(tmp_path / "two") as people:
        people.begin(1, "ana")
        for host in (alone, people.host):
            host.index.add(*build_wheel("lib", "0.9"))
            host.index.add(*build_wheel("lib", "0.10"))
            host.write_profile(("app", "lib"), ("x86_64-manylinux_2_28",))
            text = host.profile.read_text().replace("[[index]]", "breadth = 3\n[[index]]")
            host.profile.write_text(text.replace(host.index.url, "http://127.0.0.1:9/simple/"))
            host.profile.write_text(text)
        alone.create()
        people.authorise(1, "ana")
        labels = [
            [p["versions"] for p in read_json(bundle("inspect", h.volume(), "--json"))["projects"]]
            for h in (alone, people.host)
        ]
        assert labels[0] == labels[1]
        sizes = [
            read_json(bundle("inspect", h.volume(), "--json"))["volumes"][0]["unpacked"]
            for h in (alone, people.host)
        ]
        assert abs(sizes[0] - sizes[1]) < 4096  # the profiles name different ports
    assert labels[0][1] == ["0.10", "0.9", "1.0"]


def test_what_changed_since_the_last_sequence_is_shown(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.authorise(1, "ana")
    people.host.index.add(*build_wheel("app", "2.0", requires=("new",)))
    people.host.index.add(*build_wheel("new", "1.0"), yanked="")
    people.host.write_profile(("app", "new==1.0"), ("x86_64-manylinux_2_28",))
    text = people.host.create().stdout
    assert "changes since sequence 1:" in text
    assert "  added  new 1.0\n" in text
    assert "  removed  lib 1.0\n" in text
    assert "  changed  app 1.0 → 2.0\n" in text
    assert "  target removed  cp312-x86_64-pc-windows-msvc" in text
    assert "  the profile is another one" in text
    assert "exceptions: 1\n  new-1.0-py3-none-any.whl is yanked\n" in text


def test_a_lost_cache_is_filled_again(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    people.sign(people.staged(), "ana")
    shutil.rmtree(people.folder / "home" / "cache")
    assert people.resume().exit_code == 0
    assert "lib 1.0" in read_json(bundle("sign", people.staged(), "--json"))["added"]
    succeed("unpack", people.host.volume(), "--into", people.host.mirror)


def test_a_staged_bundle_of_a_number_that_was_given_meanwhile(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    people.sign(people.staged(), "ana")
    old = people.staged().read_bytes()
    assert people.resume().exit_code == 0
    again = people.resume()
    assert again.exit_code == 4
    assert "is sequence 1 of test; the next one of test is 2" in again.stderr
    assert people.staged().read_bytes() == old


def test_only_what_this_host_staged_last_is_packed(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    people.sign(people.staged(), "ana")
    first = people.staged().rename(people.folder / "first.staged")
    people.host.index.add(*build_wheel("app", "3.0"))
    people.host.create()
    result = bundle("create", "--resume", first, "-o", people.host.out, *people.host.home)
    assert result.exit_code == 4
    assert "is not what this host staged last for sequence 1" in result.stderr
    people.sign(people.staged(), "ana")
    assert people.resume().exit_code == 0


def test_a_staged_file_is_not_overwritten(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    people.sign(people.staged(), "ana")
    before = people.staged().read_bytes()
    result = people.host.create()
    assert result.exit_code == 1
    assert "exists already, perhaps with signatures" in result.stderr
    assert people.staged().read_bytes() == before


def test_the_wrong_key(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    before = people.staged().read_bytes()
    result = people.sign(people.staged(), "ben")
    assert result.exit_code == 4
    assert "(ben) is none of the officers' keys: " in result.stderr
    assert "(ana)" in result.stderr
    assert people.staged().read_bytes() == before
    people.sign(people.staged(), "ana")
    twice = people.sign(people.staged(), "ana")
    assert twice.exit_code == 4
    assert "(ana) has signed this already" in twice.stderr


def test_a_public_key_cannot_sign(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    result = bundle("sign", people.staged(), "--key", people.public("ana"))
    assert result.exit_code == 1
    assert "ana.pub has no private half here" in result.stderr


def test_signing_can_demand_a_root(people: Ceremony, tmp_path: Path) -> None:
    people.begin(1, "ana")
    people.host.create()
    with site(tmp_path / "other") as other:
        result = people.sign(people.staged(), "ana", "--trust", other.root)
    assert result.exit_code == 4
    assert "is not of the stream whose root was given" in result.stderr
    assert people.sign(people.staged(), "ana", "--trust", people.host.root).exit_code == 0


def test_without_a_key_the_file_is_only_shown(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    before = tree(people.folder)
    text = succeed("sign", people.staged()).stdout
    assert "test sequence 1: may it enter?" in text
    assert tree(people.folder) == before


def test_signing_is_asked_for_once_more_in_a_terminal(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    before = people.staged().read_bytes()
    words = ["sign", str(people.staged()), "--key", "ana", "--home", str(people.folder / "ana")]
    for answer, code in ((b"n\n", 1), (b"y\n", 0)):
        assert people.staged().read_bytes() == before
        leader, follower = pty.openpty()
        os.write(leader, answer)
        done = subprocess.run(
            [sys.executable, "-m", "bundler", *words],
            stdin=follower,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        os.close(leader)
        os.close(follower)
        assert done.returncode == code, done.stderr
        assert "test sequence 1: may it enter?" in done.stderr
        assert "Sign this? [y/N]" in done.stderr
    assert people.staged().read_bytes() != before


@pytest.mark.netns
def test_signing_in_an_empty_network_namespace(people: Ceremony) -> None:
    require_isolation()
    people.begin(1, "ana")
    people.host.create()
    environ = clean_environment(people.folder)
    words = ("sign", people.staged(), "--key", "ana", "--home", people.folder / "ana")
    done = run_isolated([sys.executable, "-m", "bundler", *words], environ, people.folder)
    assert done.returncode == 0, done.stderr
    assert "enough have signed" in done.stdout


def test_signing_needs_no_network_and_loads_none(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    program = (
        "import sys\n"
        "from bundler.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print({'httpx', 'resolvelib', 'bundler.upstream'} & set(sys.modules))"
    )
    words = ["sign", str(people.staged()), "--key", "ana", "--home", str(people.folder / "ana")]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.endswith("set()\n"), done.stdout + done.stderr
    assert "enough have signed" in done.stdout


def test_a_file_that_no_lock_has_and_the_cache_has_lost(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.index.add(*build_wheel("lib", "0.9"))
    people.host.write_profile(("app", "lib"), ("x86_64-manylinux_2_28",))
    text = people.host.profile.read_text().replace("[[index]]", "breadth = 2\n[[index]]")
    people.host.profile.write_text(text)
    assert people.host.create().exit_code == 0
    people.sign(people.staged(), "ana")
    shutil.rmtree(people.folder / "home" / "cache")
    result = people.resume()
    assert result.exit_code == 5
    assert "lib-0.9-py3-none-any.whl is not in the cache any more, and no lock" in result.stderr
    assert [path.name for path in people.host.out.iterdir()] == ["test-000001.staged"]


def test_a_comparison_that_cannot_be_had_is_left_out(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.authorise(1, "ana")
    shutil.rmtree(people.folder / "home" / "cache")
    people.host.index.add(*build_wheel("app", "2.0"))
    assert "changes since sequence 1:" in people.host.create().stdout
    people.staged(2).unlink()
    shutil.rmtree(people.folder / "home" / "streams" / "test" / "documents")
    text = people.host.create().stdout
    assert "the sequence before is NOT in this file, so nothing is compared; all projects:" in text


def test_a_stream_whose_root_waits_says_so(people: Ceremony) -> None:
    people.init(1, "ana")
    again = people.init(1, "ben")
    assert again.exit_code == 1
    assert "hint: its root waits for signatures; to begin again, remove " in again.stderr


def test_create_wants_a_profile_or_a_staged_file(people: Ceremony) -> None:
    both: list[str | Path] = [people.host.profile, "--resume", people.staged()]
    for words in (both[:0], both):
        result = bundle("create", *words, "-o", people.host.out, *people.host.home)
        assert result.exit_code == 2
        assert "give a PROFILE, or --resume STAGED" in result.stderr


def test_a_root_is_not_packed_and_a_bundle_not_adopted(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    result = bundle("create", "--resume", people.root_file, "-o", "out", *people.host.home)
    assert result.exit_code == 1
    assert "is a root, not a bundle" in result.stderr
    result = bundle("trust", "adopt", people.staged(), *people.host.home)
    assert result.exit_code == 1
    assert "is a bundle, not a root" in result.stderr


def test_a_staged_file_that_was_changed_on_the_way(people: Ceremony) -> None:
    people.begin(1, "ana")
    people.host.create()
    entries = read_staged(people.staged())
    changed = entries["manifest.json"].replace(b"bundler 0", b"bundler 9")
    people.staged().write_bytes(encode_staged({**entries, "manifest.json": changed}))
    result = people.sign(people.staged(), "ana")
    assert result.exit_code == 4
    assert "is not a word on this manifest of sequence 1" in result.stderr


def test_a_lie_about_the_expiry_is_shown_and_not_packed(people: Ceremony) -> None:
    """Whoever carries the file asks officers for more than the host staged."""
    people.begin(1, "ana")
    people.host.create()
    entries = read_staged(people.staged())
    word = entries["metadata/targets.json"]
    year = word.split(b'"expires":"')[1][:4]
    entries["metadata/targets.json"] = word.replace(b'"expires":"' + year, b'"expires":"2999')
    people.staged().write_bytes(encode_staged(entries))
    assert "good      until 2999" in people.sign(people.staged(), "ana").stdout
    result = people.resume()
    assert result.exit_code == 4
    assert "is not what this host staged last" in result.stderr


# Secrets


def test_a_passphrase_from_the_environment(
    people: Ceremony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNDLER_PASSPHRASE", "of all")
    monkeypatch.setenv("BUNDLER_PASSPHRASE_DORA", "correct horse")
    people.keygen("dora", "--protect")
    assert b"ENCRYPTED" in people.public("dora").with_suffix(".key").read_bytes()
    people.begin(1, "dora")
    monkeypatch.delenv("BUNDLER_PASSPHRASE_DORA")
    people.host.create()
    result = people.sign(people.staged(), "dora")
    assert result.exit_code == 1
    assert "the passphrase is wrong, or the file is damaged" in result.stderr
    assert "of all" not in result.output


def test_a_passphrase_from_a_file_descriptor(people: Ceremony) -> None:
    def descriptor(text: str) -> str:
        reader, writer = os.pipe()
        os.write(writer, text.encode())
        os.close(writer)
        return str(reader)

    people.keygen("dora", "--passphrase-fd", descriptor("one\n"))
    people.keygen("emil", "--passphrase-fd", descriptor("two\n"))
    assert people.init(2, "dora", "emil").exit_code == 0
    result = people.sign(people.root_file, "dora")
    assert result.exit_code == 1
    assert "is needed, and there is nobody to ask" in result.stderr
    assert "set BUNDLER_PASSPHRASE (or BUNDLER_PASSPHRASE_NAME for the key NAME)" in result.stderr
    keys = [people.folder / name / "keys" / f"{name}.key" for name in ("dora", "emil")]
    words = ("sign", people.root_file, "--key", keys[0], "--key", keys[1], "--passphrase-fd")
    assert bundle(*words, descriptor("one\n")).exit_code == 1
    assert bundle(*words, descriptor("")).exit_code == 1
    assert bundle(*words, "77").exit_code == 1
    assert bundle(*words, descriptor("\n")).exit_code == 1
    assert read_json(bundle(*words, descriptor("one\ntwo\n"), "--json"))["complete"]


def test_a_passphrase_that_is_typed(people: Ceremony, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundler.cli.secrets._check_terminal", lambda _what: None)
    home = str(people.folder / "dora")
    words = ["keygen", "dora", "--protect", "--home", home]
    made = CliRunner().invoke(app, words, input="horse\nhorse\n")
    assert made.exit_code == 0, made.output
    assert people.init(1, "dora").exit_code == 0
    words = ["sign", str(people.root_file), "--key", "dora", "--home", home]
    signed = CliRunner().invoke(app, words, input="horse\n")
    assert "enough have signed" in signed.stdout
    assert "horse" not in signed.output


# The life of a root


def test_rotation_with_officers_elsewhere(people: Ceremony) -> None:
    people.begin(2, "ana", "ben", "cem")
    people.authorise(1, "ana", "ben")
    people.keygen("dan")
    words = ("trust", "rotate", "test", "--remove", "cem", "--add", people.public("dan"))
    result = succeed(*words, "-o", people.folder, *people.host.home)
    staged = people.folder / "test-root-000002.staged"
    for line in (
        "test, root version 2: shall these keys count from now on?",
        "changes since root version 1:",
        "  officer added    ",
        "  officer removed  ",
        "signatures by root 1: 0 of 2, 2 missing",
        "signatures by root 2: 0 of 2, 2 missing",
        f"then: bundle trust adopt {staged.name}",
    ):
        assert line in result.stdout
    people.sign(staged, "dan")  # counts for the new root alone
    early = bundle("trust", "adopt", staged, *people.host.home)
    assert early.exit_code == 4
    assert "root 1 demands 2 signatures; 0 are there" in early.stderr
    people.sign(staged, "ana")
    assert read_json(people.sign(staged, "ben", "--json"))["complete"]
    succeed("trust", "adopt", staged, *people.host.home)

    assert people.host.create().exit_code == 0
    refused = people.sign(people.staged(2), "cem")
    assert refused.exit_code == 4
    assert "(cem) is none of the officers' keys" in refused.stderr
    people.sign(people.staged(2), "dan")
    people.sign(people.staged(2), "ana")
    assert people.resume(2).exit_code == 0
    succeed("unpack", people.host.volume(2), "--into", people.host.mirror)
    shown = read_json(succeed("trust", "show", "--mirror", people.host.mirror, "--json"))
    assert shown["streams"][0]["root"] == 2


def test_rotation_with_all_keys_at_hand(tmp_path: Path) -> None:
    with site(tmp_path) as host:
        host.create()
        succeed("unpack", host.volume(), "--into", host.mirror)
        succeed("keygen", "second", *host.home)
        words = ("--add", "second", "--remove", "officer", "--packing-key", "second")
        made = succeed("trust", "rotate", "test", *words, *host.home)
        assert "made the next root: test, root version 2" in made.stdout
        assert "(second)" in made.stdout
        (tmp_path / "home/keys/officer.key").unlink()
        assert host.create().exit_code == 0
        succeed("unpack", host.volume(2), "--into", host.mirror)
    with site(tmp_path / "elsewhere") as other:
        result = bundle("trust", "rotate", "none", *other.home)
        assert result.exit_code == 1
        assert "there is no stream none" in result.stderr


def test_a_root_that_was_staged_under_an_older_one(people: Ceremony) -> None:
    """Two changes at once: the second to be adopted has to be made again."""
    people.begin(1, "ana")
    for number in (1, 2):
        folder = people.folder / str(number)
        folder.mkdir()
        succeed("trust", "rotate", "test", "-o", folder, *people.host.home)
        people.sign(folder / "test-root-000002.staged", "ana")
    for number, code in ((1, 0), (2, 4)):
        staged = people.folder / str(number) / "test-root-000002.staged"
        assert bundle("trust", "adopt", staged, *people.host.home).exit_code == code


# Whole round trips with special keys


def test_a_round_trip_with_hybrid_keys(people: Ceremony) -> None:
    for name in ("dora", "emil"):
        people.keygen(name, "--type", "hybrid")
    succeed("keygen", "post", "--type", "hybrid", *people.host.home)
    keys = ("--key", people.public("dora"), "--key", people.public("emil"))
    words = ("--threshold", "2", "--packing-key", "post", "-o", people.folder)
    succeed("trust", "init", "test", *keys, *words, *people.host.home)
    for name in ("dora", "emil"):
        assert people.sign(people.root_file, name).exit_code == 0
    succeed("trust", "adopt", people.root_file, *people.host.home)
    succeed("trust", "export", "test", "-o", people.host.root, *people.host.home)
    succeed("trust", "pin", people.host.root, "--into", people.host.mirror)
    people.authorise(1, "dora", "emil")
    found = read_json(succeed("verify", people.host.volume(), "--mirror", people.host.mirror,
                              "--json"))  # fmt: skip
    assert {role: len(each["signers"]) for role, each in found["volumes"][0]["roles"].items()} == {
        "root": 4,
        "targets": 4,
        "packing": 2,
        "snapshot": 2,
        "timestamp": 2,
    }


def test_a_round_trip_with_keys_in_a_token(
    people: Ceremony, monkeypatch: pytest.MonkeyPatch
) -> None:
    with soft_token(people.folder / "hsm", monkeypatch) as token:
        token.make_key(1, "prime256v1")
        token.make_key(2, "secp384r1")
        monkeypatch.setenv("BUNDLER_PASSPHRASE", PIN)
        succeed("keygen", "dora", "--from", token.uri(1), "--home", people.folder / "dora")
        assert people.init(1, "dora").exit_code == 0
        assert people.sign(people.root_file, "dora").exit_code == 0
        succeed("trust", "adopt", people.root_file, *people.host.home)
        succeed("trust", "rotate", "test", "--packing-key", f"box={token.uri(2)}", "-o",
                people.folder, *people.host.home)  # fmt: skip
        second = people.folder / "test-root-000002.staged"
        assert bundle("sign", second, "--key", token.uri(1)).exit_code == 0
        succeed("trust", "adopt", second, *people.host.home)
        succeed("trust", "export", "test", "-o", people.host.root, *people.host.home)
        succeed("trust", "pin", people.host.root, "--into", people.host.mirror)
        people.authorise(1, "dora")
        schemes = {
            role: each["keys"][0]["scheme"]
            for role, each in read_json(
                succeed("trust", "show", "--mirror", people.host.mirror, "--json")
            )["streams"][0]["roles"].items()
        }
        monkeypatch.setenv("BUNDLER_PASSPHRASE", "0000")
        people.host.index.add(*build_wheel("app", "2.0"))
        assert people.host.create().exit_code == 0
        result = people.sign(people.staged(2), "dora")
    assert schemes["targets"] == "ecdsa-sha2-nistp256"
    assert schemes["timestamp"] == "ecdsa-sha2-nistp384"
    assert result.exit_code == 4
    assert "cannot be signed with" in result.stderr
    assert "(dora): PinIncorrect" in result.stderr


def test_what_is_inside_of_wheels_crosses_with_what_officers_signed(people: Ceremony) -> None:
    """Verdicts, native code and accepted wheels stand in what is staged, and come out inside."""
    host, sigstore = people.host, FakeSigstore()
    (host.folder / "sigstore.json").write_bytes(sigstore.trusted_root)
    name, wheel = build_wheel("solo", "1.0", files={"solo/_x.txt": b"x"})
    payload = statement(name, hashlib.sha256(wheel).hexdigest())
    claim = {"kind": "GitHub", "repository": "example/solo", "workflow": "release.yml"}
    signed = attestation(sigstore.bundle(payload, github("example/solo")))
    host.index.serve("/integrity/solo", provenance(claim, signed))
    host.index.add(name, wheel, provenance="/integrity/solo")
    odd, empty = build_wheel("odd", "1.0", files={"odd-1.0.dist-info/RECORD": b""})
    host.index.add(odd, empty)
    host.write_profile(["app", "solo", "odd"])
    with host.profile.open("a") as profile:
        profile.write(
            '[attestations]\ntrusted-root = "sigstore.json"\n'
            f'[[accept]]\nsha256 = "{hashlib.sha256(empty).hexdigest()}"\nreason = "no matter"\n'
        )
    people.begin(2, "ana", "ben")
    assert host.create().exit_code == 0
    shown = people.sign(people.staged(), "ana", "--yes")
    assert "attested  1 of 5 files" in shown.stdout
    assert f"{odd} breaks record-missing; accepted: no matter" in shown.stdout
    assert people.sign(people.staged(), "ben", "--yes").exit_code == 0
    assert people.resume().exit_code == 0
    assert "accepted wheel" in succeed("inspect", host.volume()).stdout
    succeed("unpack", host.volume(), "--into", host.mirror)
    (beside,) = (host.mirror / "files").rglob("*.provenance")
    assert beside.name == f"{name}.provenance"
    (memory,) = (host.folder / "home").rglob("attested.json")
    assert "example/solo" in memory.read_text()
