from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import BundlerError, ProfileError
from bundler.model.plan import PlannedFile
from bundler.model.target import parse_target
from bundler.resolve.lock import lock_name, prove_lock, read_locks, select_files, write_lock
from tests.fakes.planning import LINUX, WINDOWS, MemoryIndex, plan

TARGET, OTHER = parse_target("3.12", LINUX), parse_target("3.12", WINDOWS)
DIGEST = "ab" * 32
WHEEL = f'{{name = "a-1-py3-none-any.whl", url = "x", hashes = {{sha256 = "{DIGEST}"}}}}'
SDIST = f'sdist = {{name = "a-1.tar.gz", url = "x", hashes = {{sha256 = "{DIGEST}"}}}}'


def lock(package: str = f"wheels = [{WHEEL}]", head: str = 'lock-version = "1.0"') -> bytes:
    return f'{head}\ncreated-by = "test"\n[[packages]]\nname = "a"\n{package}\n'.encode()


def planned(uploaded: str | None = None) -> tuple[PlannedFile, ...]:
    index = MemoryIndex()
    index.add("a", "1", uploaded=uploaded)
    index.add("b", "1", requires_python=">=3.9")
    return plan(index, "a", "b").files


def test_a_lock_gives_back_what_was_written() -> None:
    files = planned()
    data = write_lock(TARGET, files, "test 1", {})
    assert select_files(data, TARGET, "x") == {f.remote.filename: f.blob.sha256 for f in files}
    prove_lock(data, TARGET, files)


@pytest.mark.parametrize(
    ("uploaded", "written"),
    [
        ("2026-01-02T03:04:05.678901Z", b"03:04:05.678901"),
        ("2026-01-02T03:04:05", None),
        ("2026-01-02", None),
        ("last week", None),
        (None, None),
    ],
)
def test_an_upload_time_without_a_zone_is_left_out(
    uploaded: str | None, written: bytes | None
) -> None:
    data = write_lock(TARGET, planned(uploaded), "test 1", {})
    assert data.count(b"upload-time") == (2 if written else 1)  # b has one
    assert written is None or written in data


def test_a_lock_that_does_not_give_what_was_planned_is_our_fault() -> None:
    files = planned()
    with pytest.raises(BundlerError) as caught:
        prove_lock(write_lock(TARGET, files[:1], "test 1", {}), TARGET, files)
    assert caught.value.message == (
        f"the lock of {TARGET.name} does not give what was planned: b-1-py3-none-any.whl"
    )
    assert caught.value.hint == "please report this: the plan was not written"


def test_a_source_distribution_with_a_digest() -> None:
    assert select_files(lock(SDIST), TARGET, "x") == {"a-1.tar.gz": DIGEST}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff", "'utf-8' codec can't decode"),
        (b"<<<<<<< HEAD", "Invalid"),
        (b"a = " + b"[" * 5000, "recursion"),
        (b"", "Missing required value"),
        (lock(head='lock-version = "9.0"'), "version"),
        (lock(head='lock-version = "1.0"\nrequires-python = "==3.11.*"'), "==3.11.*"),
        (
            lock(WHEEL.join(["wheels = [", "]"]).replace("py3-none-any", "py3-none-win_amd64")),
            "tag",
        ),
        (lock(f"wheels = [{WHEEL}]".replace("a-1-py3-none-any.whl", "a.whl")), "wheel filename"),
        (
            lock(f"wheels = [{WHEEL}]".replace("py3-none-any", f"py3.{'py3.' * 1000}py3-none-any")),
            "wheel filename",
        ),
        (lock(f"marker = \"os_name ~= 'x'\"\nwheels = [{WHEEL}]"), "Undefined"),
        (lock(f"wheels = [{WHEEL}]".replace('name = "a-1-py3-none-any.whl", ', "")), "filename"),
        (lock(SDIST.replace(".tar.gz", ".zip")), "extension must be '.whl'): 'a-1.zip'"),
        (lock(SDIST.replace("a-1", f"a-{'0' * 300}1")), "Invalid sdist filename: 'a-0"),
    ],
)
def test_what_is_no_lock_for_a_target(data: bytes, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        select_files(data, TARGET, "locks/x")
    assert caught.value.message.startswith(f"locks/x is no lock for {TARGET.name}: ")
    assert message in caught.value.message
    assert caught.value.hint == "run `bundle lock` to make it anew"


@pytest.mark.parametrize(
    "package",
    [
        'directory = {path = "."}',
        f"wheels = [{WHEEL}]".replace("sha256", "md5"),
        SDIST.replace("sha256", "md5"),
    ],
)
def test_what_is_no_file_with_a_digest(package: str) -> None:
    with pytest.raises(ProfileError, match=r"^x has no file with a sha256 for a$"):
        select_files(lock(package), TARGET, "x")


def test_the_locks_of_a_folder(tmp_path: Path) -> None:
    faults: list[ProfileError] = []
    (tmp_path / lock_name("test", TARGET)).write_bytes(lock())
    found = read_locks(tmp_path, "test", [TARGET, OTHER], faults.append)
    assert found.by_target == {TARGET.name: {"a-1-py3-none-any.whl": DIGEST}}
    assert found.path(OTHER) == tmp_path / f"pylock.test-cp312-{WINDOWS}.toml"
    (tmp_path / lock_name("test", OTHER)).write_text("?")
    assert read_locks(tmp_path, "test", [OTHER, TARGET], faults.append) == found
    (fault,) = faults
    assert fault.message.startswith(f"{found.path(OTHER)} is no lock for {OTHER.name}: ")


@pytest.mark.parametrize("folder", ["none", "file"])
def test_a_folder_that_is_not_there_has_no_locks(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    found = read_locks(tmp_path / folder, "test", [TARGET], lambda _: None)
    assert found.by_target == {}


def test_a_lock_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / lock_name("test", TARGET)
    path.mkdir()
    with pytest.raises(BundlerError) as caught:
        read_locks(tmp_path, "test", [TARGET], lambda _: None)
    assert caught.value.message == f"{path} cannot be read: Is a directory"
