"""Files that are either whole or not there: temporary name, fsync, rename, fsync of the folder.

Knows paths and bytes; never what they mean. Disk errors come out as `StorageError`.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.errors import StorageError

TEMPORARY = ".partial"
"""Suffix of a file that is being written; one left behind by a crash may be deleted at any time."""


def write_atomically(path: Path, content: bytes) -> None:
    """Put *content* at *path*, durably, replacing what stood there. Raises StorageError."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_file(path, write)


def write_file(path: Path, write: Callable[[Path], object], *foreign: type[Exception]) -> None:
    """Let *write* fill a temporary file, then make it durable under *path*. Raises StorageError.

    For writers that want a path of their own (Parquet); the temporary name is hidden and in the
    same folder, so that the rename is atomic. foreign: what a library makes of a disk's error.
    """
    errors: tuple[type[Exception], ...] = (OSError, *foreign)
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        write(temporary)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except errors as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(
            f"cannot write {path}: {getattr(error, 'strerror', None) or error}",
            hint="free space or mend the permissions, then resume the run; nothing is lost",
        ) from error


@contextlib.contextmanager
def reading(path: Path, *foreign: type[Exception]) -> Iterator[None]:
    """Around the reading of *path*, a file that was made durable: raise StorageError if it fails.

    foreign: what a library raises for a file that is damaged, beside OSError.
    """
    errors: tuple[type[Exception], ...] = (OSError, *foreign)
    try:
        yield
    except errors as error:
        raise StorageError(
            f"cannot read {path}: {error}",
            hint="the file was deleted or damaged: bring it back and resume; nothing else is lost",
        ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
