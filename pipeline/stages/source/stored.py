"""A file where it lies, on a disk or in an object store, and the errors of reading it.

Knows bytes; never a format.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa
from msgspec import Struct
from pyarrow import fs

from pipeline.errors import InputError


class Stored(Struct, frozen=True, kw_only=True):
    """One file that exists, with the name under which people know it."""

    name: str
    path: str
    """As the filesystem wants it."""
    filesystem: fs.FileSystem
    size: int
    """Bytes."""

    def open(self) -> pa.NativeFile:
        """Open for reading from any position. Raises InputError."""
        with reading(self.name):
            return self.filesystem.open_input_file(self.path)


@contextmanager
def reading(name: str, *, hint: str = "is it complete? Copy or export it again") -> Iterator[None]:
    """Turn what the disk, the network or a library says of file *name* into InputError."""
    try:
        yield
    except PermissionError as error:
        raise InputError(
            f"{name} cannot be read: permission denied",
            hint="let the user that runs the pipeline read it",
        ) from error
    except (OSError, EOFError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        said = str(error).strip().splitlines()
        why = said[0] if said else type(error).__name__
        raise InputError(f"{name} cannot be read: {why}", hint=hint) from error
