"""A file of one JSON object a line → blocks: native types, every line a row, broken ones named.

The types of the columns are found by reading the file once beforehand.  Never decides what a column
means.
"""

import json
from collections.abc import Iterator
from typing import ClassVar

import polars as pl
from msgspec import Struct

from pipeline.config.csv import CsvOptions
from pipeline.errors import InputError
from pipeline.model import LINE, ROW
from pipeline.stages.source.block import BEGINNING, BROKEN_SCHEMA, RAW_LENGTH_MAX, Block, Start
from pipeline.stages.source.stored import Stored, reading
from pipeline.stages.source.text import MARK, NUL, Text

BLOCK_BYTES = 1 << 20
LINE_BYTES_MAX = 8 << 20
"""What is in memory at least, whatever the file holds."""

_UTF8 = CsvOptions(encoding="utf-8", compression="infer")


class NdjsonFile(Struct, frozen=True, kw_only=True):
    """One file of JSON lines; made by `open_ndjson`."""

    stored: Stored
    columns: dict[str, pl.DataType]
    block_bytes: int = BLOCK_BYTES
    is_text: ClassVar[bool] = False
    has_nulls: ClassVar[bool] = True

    def blocks(self, start: Start = BEGINNING) -> Iterator[Block]:
        """Read the file from *start* on. Raises InputError when it cannot be read to its end."""
        before = start.row - 1
        with reading(self.stored.name), Text(self.stored, _UTF8) as text:
            blocks = _line_blocks(text, self.stored.name, self.block_bytes)
            for lines in _without_lines(blocks, before):
                frame, broken = _parsed(lines, self.columns)
                places = pl.int_range(
                    before + 1, before + lines.count(b"\n") + 1, dtype=pl.UInt64, eager=True
                )
                lost = pl.DataFrame(
                    [(before + index, before + index, *told) for index, *told in broken],
                    schema=BROKEN_SCHEMA,
                    orient="row",
                )
                row = places.filter(~places.is_in(lost[ROW]))
                yield Block(
                    file=self.stored.name,
                    frame=frame,
                    row=row.alias(ROW),
                    line=row.alias(LINE),
                    broken=lost,
                    share_read=text.share(),
                    start=Start(row=before + 1, line=before + 1),
                )
                before += len(places)


def open_ndjson(stored: Stored, *, block_bytes: int = BLOCK_BYTES) -> NdjsonFile:
    """Find the columns of *stored* by reading all of it. Raises InputError."""
    empty = pl.DataFrame()
    hint = "a column holds values of one type in all lines"
    with reading(stored.name, hint=hint), Text(stored, _UTF8) as text:
        for lines in _line_blocks(text, stored.name, block_bytes):
            found = _parsed(lines, None)[0].clear()
            empty = pl.concat([empty, found], how="diagonal_relaxed")
    if not empty.width:
        raise InputError(
            f"{stored.name} has no column: not one line is a JSON object with a key",
            hint='a line looks like {"customer_id": "00042", "orders": 3}',
        )
    columns = {
        name: pl.String() if kind == pl.Null else kind for name, kind in empty.schema.items()
    }
    return NdjsonFile(stored=stored, columns=columns, block_bytes=block_bytes)


def _line_blocks(text: Text, name: str, block_bytes: int) -> Iterator[bytes]:
    r"""Cut *text* into blocks of whole lines, each ended by \n."""
    rest = b""
    while more := text.read(block_bytes):
        lines, newline, rest = (rest + more).rpartition(b"\n")
        if newline:
            yield lines + newline
        if len(rest) > LINE_BYTES_MAX:
            raise InputError(
                f"{name} has a line of more than {LINE_BYTES_MAX >> 20} MiB",
                hint="is it one JSON object a line?",
            )
    if rest:
        yield rest + b"\n"


def _without_lines(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Yield *blocks* without their first *count* lines, which are not looked into."""
    for block in blocks:
        found = block.count(b"\n")
        if count < found:
            yield block.split(b"\n", count)[count] if count else block
        count = max(0, count - found)


def _parsed(
    lines: bytes, schema: dict[str, pl.DataType] | None
) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """Return the rows of *lines*, and (index from 1, reason, text) of those that are none."""
    if MARK.encode() not in lines and NUL.encode() not in lines:
        try:
            frame = _read(lines, schema)
        except pl.exceptions.PolarsError:
            pass  # it does not say which line: they are looked at one by one
        else:
            if frame.height == lines.count(b"\n"):
                return frame, []
    good, broken = [], []
    for index, line in enumerate(lines.decode().split("\n")[:-1], 1):
        if reason := _fault(line):
            raw = line[:RAW_LENGTH_MAX].replace(MARK, "\ufffd").replace(NUL, "\0")
            broken.append((index, reason, raw))
        else:
            good.append(line)
    return _read("".join(f"{line}\n" for line in good).encode(), schema), broken


def _read(lines: bytes, schema: dict[str, pl.DataType] | None) -> pl.DataFrame:
    if not lines:
        return pl.DataFrame(schema=schema)
    return pl.read_ndjson(lines, schema=schema, infer_schema_length=None)


def _fault(line: str) -> str:
    """Say why *line* is not a row; "" if it is one."""
    if not line.strip():
        return "blank line"
    if MARK in line:
        return "not valid UTF-8"
    if NUL in line:
        return "not JSON: a NUL byte"
    try:
        value = json.loads(line)  # says what is wrong, and where in the line
        if isinstance(value, dict):
            _read(line.encode(), None)  # NaN, half a surrogate: not everything pleases both
            return ""
    except (ValueError, RecursionError, pl.exceptions.PolarsError) as error:
        return f"not JSON: {str(error).splitlines()[0]}"
    return "not a JSON object"
