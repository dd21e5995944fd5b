"""What a source gives: a block of rows, each with its place in its file.

Knows no format; never what the columns mean.
"""

from functools import cache

import polars as pl
from msgspec import Struct

from pipeline.model import LINE, ROW

FAILURE_PLACE = ("_run", "_row", "_file", "_line")
"""By these a file of failures is known also when its mark is lost: most writers drop it."""
FAILURE_COLUMNS = (
    "_run",
    "_row",
    "_file",
    "_line",
    "_status",
    "_stage",
    "_reasons",
    "_raw",
    "_http_status",
    "_error_title",
    "_error_details",
    "_error_pointer",
)
"""Columns of such a file that are ours, beside the source's own."""

RAW_LENGTH_MAX = 2_000
"""Characters that are kept of a line which could not be parsed."""
BROKEN_SCHEMA = {ROW: pl.UInt64, LINE: pl.UInt64, "reason": pl.String, "raw": pl.String}


class Start(Struct, frozen=True, kw_only=True):
    """Where a block begins: reading can begin there too, and gives the same rows from there on."""

    reader: int = 0
    """Which file of the source, from 0."""
    row: int = 1
    """The first row's number among all that this file holds, broken ones too."""
    line: int = 0
    """The physical line on which it starts; 0 where a format has no lines."""


BEGINNING = Start()


class Block(Struct, frozen=True, kw_only=True, eq=False):
    """Some rows of one file, in order.

    Every row of the file is in exactly one block, either in `frame` or in `broken`.
    """

    file: str
    """Name for people: the path as it was given, or the address."""
    frame: pl.DataFrame
    """Columns as they came. From a text file all are String, and an empty cell is "", not null."""
    row: pl.Series
    """UInt64: number of each row in its file, from 1, ascending; gaps stand in `broken`."""
    line: pl.Series
    """UInt64: physical line on which each row starts, from 1; null where a format has no lines."""
    broken: pl.DataFrame
    """BROKEN_SCHEMA: rows that could not be read, why not, and the start of their text."""
    share_read: float | None
    """Of all bytes of all files, how many were read so far (0 to 1). A reader may be a block ahead:
    it is for progress bars, and the one value here that may differ from one reading to the next."""
    start: Start
    printable: bool = False
    """Whether it is known that no cell has a control character but tab and line ends."""


@cache
def nothing_broken() -> pl.DataFrame:
    """Return an empty frame of BROKEN_SCHEMA."""
    return pl.DataFrame(schema=BROKEN_SCHEMA)
