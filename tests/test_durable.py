"""A file is whole or not there; whatever the disk says comes out as a StorageError."""

from pathlib import Path

import pytest

from pipeline.durable import TEMPORARY, reading, write_atomically, write_file
from pipeline.errors import StorageError


def test_content_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new\x00")
    assert path.read_bytes() == b"new\x00"
    assert list(tmp_path.iterdir()) == [path]


def test_until_the_new_file_is_whole_the_old_one_stands(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_atomically(path, b"old")

    def write(temporary: Path) -> None:
        temporary.write_bytes(b"half of the n")
        assert path.read_bytes() == b"old"
        assert temporary.parent == path.parent  # else the rename would not be atomic
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(TEMPORARY)
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"run\.json: No space left on device") as caught:
        write_file(path, write)
    assert caught.value.exit_code == 3
    assert "resume" in caught.value.hint
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / f".x{TEMPORARY}").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left"):
        write_atomically(tmp_path / "x", b"content")


def test_what_is_not_the_disks_fault_passes(tmp_path: Path) -> None:
    def write(temporary: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_file(tmp_path / "x", write)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        write_atomically(tmp_path / "gone" / "x", b"")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    with pytest.raises(StorageError, match=r"cannot read .*part\.parquet"), reading(path):
        path.read_bytes()
    with pytest.raises(StorageError, match="damaged"), reading(path, LookupError):
        raise LookupError("damaged")
    with pytest.raises(LookupError), reading(path):
        raise LookupError("not the disk's fault")
