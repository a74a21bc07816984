"""Plain volumes: a tar, and a folder of files for guards that look into each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundler.archive import folder_source, ustar
from bundler.archive.medium import check_form, head_of, opened
from bundler.archive.source import Source
from bundler.errors import BundlerError, DamagedError
from bundler.model.volume import Form
from bundler.packable import Shape
from tests.fakes.command import bundle, succeed
from tests.fakes.media import check_whole, copy, flip, index_of
from tests.fakes.sender import Receiver, Sender, make_receiver, make_sender, wheel
from tests.fakes.volumes import read_volume_head

WHEELS = [wheel("alpha", size=700_000), wheel("beta"), wheel("gamma", size=2000)]
FORMS: tuple[Form, ...] = ("tar", "files")


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Sender:
    return make_sender(tmp_path_factory.mktemp("sender"))


@pytest.fixture(scope="module")
def plain(sender: Sender) -> dict[Form, Path]:
    sender.send(WHEELS)
    found: dict[Form, Path] = {}
    for form in FORMS:
        (found[form],) = sender.again(WHEELS, shape=Shape(form=form))
    return found


@pytest.fixture
def receiver(sender: Sender, tmp_path: Path) -> Receiver:
    return make_receiver(sender, tmp_path / "mirror")


@pytest.fixture
def folder(plain: dict[Form, Path], tmp_path: Path) -> Path:
    return copy(plain["files"], tmp_path)


def verified(receiver: Receiver, volume: Path) -> tuple[int, str]:
    result = bundle("verify", volume, "--mirror", receiver.mirror.root)
    return result.exit_code, result.stderr


@pytest.mark.parametrize("form", FORMS)
def test_what_is_plain_is_unpacked(receiver: Receiver, plain: dict[Form, Path], form: Form) -> None:
    assert read_volume_head(plain[form]).form == form
    assert verified(receiver, plain[form])[0] == 0
    assert f"{form!r}" not in succeed("inspect", plain[form]).stdout
    receiver.unpack(plain[form])
    assert receiver.live == 1
    check_whole(receiver, WHEELS)
    receiver.unpack(plain[form])


def test_plain_volumes_of_a_size(
    sender: Sender, receiver: Receiver, plain: dict[Form, Path]
) -> None:
    assert plain
    found = sender.again(WHEELS, volume_size=300_000, shape=Shape(form="tar"))
    assert len(found) > 2
    receiver.unpack(*found[::-1])
    check_whole(receiver, WHEELS)


def test_a_plain_tar_through_a_pipe(receiver: Receiver, plain: dict[Form, Path]) -> None:
    data = plain["tar"].read_bytes()
    receiver.unpack(Path("-"), pipe=data * 2)
    check_whole(receiver, WHEELS)


@pytest.mark.parametrize(
    ("where", "what"),
    [(5, "nothing is missing because of it"), (700, "affects alpha-1.0-py3-none-any.whl")],
)
def test_damage_in_a_plain_tar(
    tmp_path: Path, receiver: Receiver, plain: dict[Form, Path], where: int, what: str
) -> None:
    """In a header, in a blob: the other blobs arrive."""
    index = index_of(plain["tar"])
    frame = index.segments[1].frames[0]
    bad = flip(copy(plain["tar"], tmp_path), frame.offset + where)
    code, said = verified(receiver, bad)
    assert (code, "its bytes are not those that were signed" in said) == (4, True)
    with pytest.raises(DamagedError) as caught:
        receiver.unpack(bad)
    assert caught.value.message.endswith(
        f"({index.segments[1].label}): its bytes are not those that were signed\n{what}"
    )
    receiver.unpack(plain["tar"])
    check_whole(receiver, WHEELS)


def test_a_plain_tar_that_is_cut_off(
    tmp_path: Path, receiver: Receiver, plain: dict[Form, Path]
) -> None:
    index = index_of(plain["tar"])
    bad = copy(plain["tar"], tmp_path)
    os.truncate(bad, index.segments[1].offset + 1000)
    with pytest.raises(DamagedError, match=r"the file ends at byte .*\naffects alpha"):
        receiver.unpack(bad)


def test_a_plain_tar_that_goes_on(
    tmp_path: Path, receiver: Receiver, plain: dict[Form, Path]
) -> None:
    bad = copy(plain["tar"], tmp_path)
    with bad.open("ab") as file:
        file.write(b"more")
    code, said = verified(receiver, bad)
    assert (code, "the file goes on behind it" in said) == (4, True)


def test_a_tar_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(ustar.header("head.tar.txt", 10) + bytes(1000))
    with pytest.raises(DamagedError, match=r"volume: its first entry is head\.tar\.txt"):
        read_volume_head(path)
    path.write_bytes(b"head.tar" + bytes(1000))
    with pytest.raises(DamagedError, match=r"is not a bundle volume: not a plain tar header"):
        read_volume_head(path)
    (tmp_path / "head.tar.txt").write_bytes(b"no head")
    shutil.make_archive(str(tmp_path / "y"), "tar", tmp_path, "head.tar.txt")
    with pytest.raises(DamagedError, match=r"is not a bundle volume: "):
        read_volume_head(tmp_path / "y.tar")


def test_a_byte_behind_the_head_of_a_tar(tmp_path: Path, plain: dict[Form, Path]) -> None:
    """Its head fills whole blocks, so it is made to end earlier."""
    data = bytearray(plain["tar"].read_bytes())
    size = ustar.parse_header(bytes(data[:512]))[1]
    data[:512] = ustar.header("head.tar", size - 1)
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    assert read_volume_head(path).size == 512 + size
    data[512 + size - 1] = 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="is damaged: bytes other than zero behind it"):
        read_volume_head(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_was_not_signed(plain: dict[Form, Path], form: Form) -> None:
    other = next(each for each in FORMS if each != form)
    with opened(plain[form]) as source:
        head = head_of(source)
        with pytest.raises(DamagedError, match=f"has the form '{form}'; '{other}' was signed"):
            check_form(source, head, index_of(plain[other]))


def change(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")


WHEEL = "files/beta-1.0-py3-none-any.whl"


def test_a_changed_file(receiver: Receiver, folder: Path, plain: dict[Form, Path]) -> None:
    change(folder, WHEEL)
    with pytest.raises(DamagedError) as caught:
        receiver.unpack(folder)
    first, last = caught.value.message.splitlines()
    assert first.endswith("(beta 1.0): its bytes are not those that were signed")
    assert last == "affects beta-1.0-py3-none-any.whl"
    assert verified(receiver, folder)[0] == 4
    receiver.unpack(plain["files"])
    check_whole(receiver, WHEELS)


def test_a_file_that_is_missing(receiver: Receiver, folder: Path) -> None:
    (folder / WHEEL).unlink()
    with pytest.raises(DamagedError, match=f"{WHEEL} cannot be read: No such file or directory"):
        receiver.unpack(folder)


def test_a_file_that_is_longer(receiver: Receiver, folder: Path) -> None:
    with (folder / WHEEL).open("ab") as file:
        file.write(b"more")
    with pytest.raises(DamagedError, match=f"{WHEEL} has [0-9]+ bytes, not [0-9]+"):
        receiver.unpack(folder)


def test_a_link_is_not_followed(receiver: Receiver, folder: Path, plain: dict[Form, Path]) -> None:
    (folder / WHEEL).unlink()
    (folder / WHEEL).symlink_to(plain["files"] / WHEEL)
    with pytest.raises(DamagedError, match=f"{WHEEL} cannot be read: Too many levels of symbolic"):
        receiver.unpack(folder)


def test_a_folder_within_is_not_followed(
    receiver: Receiver, folder: Path, plain: dict[Form, Path]
) -> None:
    shutil.rmtree(folder / "files")
    (folder / "files").symlink_to(plain["files"] / "files")
    with pytest.raises(DamagedError, match="cannot be read: Not a directory") as caught:
        receiver.unpack(folder)
    assert "the folder has what is not listed: files" in caught.value.message


def test_a_named_pipe_is_not_waited_for(receiver: Receiver, folder: Path) -> None:
    (folder / WHEEL).unlink()
    os.mkfifo(folder / WHEEL)
    with pytest.raises(DamagedError, match=f"{WHEEL} cannot be read: it is not a regular file"):
        receiver.unpack(folder)


@pytest.mark.parametrize("name", ["x.exe", "files/evil.whl", "documents/x", "sub/deep"])
def test_what_is_not_listed_is_named(receiver: Receiver, folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"MZ")
    shown = name.removesuffix("/deep")
    code, said = verified(receiver, folder)
    assert (code, f"the folder has what is not listed: {shown}" in said) == (4, True)
    with pytest.raises(DamagedError, match=f"the folder has what is not listed: {shown}"):
        receiver.unpack(folder)
    assert receiver.live == 0


def test_ten_of_them_are_named(receiver: Receiver, folder: Path) -> None:
    for number in range(12):
        (folder / f"{number:02}").touch()
    with pytest.raises(DamagedError, match=r"not listed: 00, 01, .*, 09 and 2 more"):
        receiver.unpack(folder)


def test_a_medium_that_fails_within_a_file(
    receiver: Receiver, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Source.chunks

    def fails(self: Source, size: int) -> Iterator[bytes]:
        if self.name == WHEEL:
            raise OSError(5, "Input/output error")
        return real(self, size)

    monkeypatch.setattr(Source, "chunks", fails)
    with pytest.raises(DamagedError, match=f"{WHEEL} cannot be read: Input/output error"):
        receiver.unpack(folder)


def test_the_head_of_a_folder_alone(plain: dict[Form, Path]) -> None:
    with pytest.raises(DamagedError, match="it is the head of a volume that is a folder: give the"):
        read_volume_head(plain["files"] / "head.tar")


def test_a_folder_without_a_head(tmp_path: Path, folder: Path) -> None:
    (folder / "head.tar").unlink()
    os.mkfifo(folder / "head.tar")
    for path in (tmp_path, folder):
        with pytest.raises(DamagedError, match=r"it is a folder without a readable head\.tar"):
            read_volume_head(path)


def test_a_folder_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_arguments: object, **_words: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(BundlerError, match="permission denied"):
        folder_source.Folder(tmp_path)
