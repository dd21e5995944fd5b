"""What cannot be read twice → a file in the run folder, so that an interrupted staging can go on.

Writes whole files or nothing.  Never looks at rows.
"""

import shutil
from pathlib import Path
from typing import BinaryIO

import polars as pl

from pipeline.durable import write_file
from pipeline.errors import InputError

FRAME_NAME = "frame.parquet"
STREAM_STEM = "standard-input"
COPY_BYTES = 1 << 20
_SUFFIXES = ((b"PAR1", ".parquet"), (b"ARROW1", ".arrow"), (b'{"', ".ndjson"))


def spool_frame(frame: pl.DataFrame, folder: Path) -> Path:
    """Write *frame* to *folder* as Parquet, durably. Raises InputError, StorageError."""
    if not frame.width:
        raise InputError("the frame has no columns", hint="give a frame with a row for each call")
    objects = [name for name, kind in frame.schema.items() if kind == pl.Object]
    if objects:
        raise InputError(
            f"the frame holds Python objects in {', '.join(map(repr, objects))}",
            hint="cast them to String, or leave them out",
        )
    path = folder / FRAME_NAME
    write_file(path, frame.write_parquet, pl.exceptions.ComputeError)
    return path


def spool_stream(stream: BinaryIO, folder: Path) -> Path:
    """Copy *stream* to *folder* byte by byte, durably, in bounded memory. Raises StorageError.

    The name's suffix says what it looks like: Parquet, Arrow, NDJSON, else CSV.
    """
    start = stream.read(COPY_BYTES)
    suffix = next((suffix for magic, suffix in _SUFFIXES if start.startswith(magic)), ".csv")
    path = folder / f"{STREAM_STEM}{suffix}"

    def copy(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(start)
            shutil.copyfileobj(stream, file, COPY_BYTES)

    write_file(path, copy)
    return path
