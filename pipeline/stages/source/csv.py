"""A CSV file → blocks: every cell as text, every row numbered, no row lost without a word.

pyarrow cuts the text into rows; here is what it leaves open: the header, the place of each row,
rows with another number of columns, blank lines, damaged bytes, and quotes that are never closed.
Never decides what a cell means.
"""

import csv
import io
from collections.abc import Iterator
from typing import ClassVar

import polars as pl
import pyarrow as pa
from msgspec import Struct
from pyarrow import csv as arrow_csv

from pipeline.config.csv import CsvOptions
from pipeline.errors import InputError
from pipeline.model import LINE, ROW
from pipeline.stages.source.block import BEGINNING, RAW_LENGTH_MAX, Block, Start
from pipeline.stages.source.numbering import Numbering, Place, newlines_in
from pipeline.stages.source.stored import Stored, reading
from pipeline.stages.source.text import MARK, NUL, READ_BYTES, Text, count_lines

BLOCK_BYTES = 1 << 20
"""FINDINGS: larger blocks cost memory (4 MiB: 308 MB instead of 136) and save no time."""
LONG_ROW_BYTES = 8 << 20
"""Blocks for a file with a row that is longer than a block. A row beyond is a quote run away."""
HEADER_BYTES_MAX = READ_BYTES

_LINE_END = r"\r\n|\r|\n"
_LAST_LINE = "\U0001fffeend of the file\U0001fffe"
_BLANK = "blank line"
_NEVER_CLOSED = "a quote is never closed and swallows the rest of the file"


class _RowTooLong(Exception):
    """A row does not end within a block."""


class CsvFile(Struct, frozen=True, kw_only=True):
    """One CSV file with the names of its columns; made by `open_csv`."""

    stored: Stored
    options: CsvOptions
    names: tuple[str, ...]
    header_lines: int
    """Lines before the first row."""
    block_bytes: int = BLOCK_BYTES
    is_text: ClassVar[bool] = True
    has_nulls: ClassVar[bool] = False

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Every column is text: what it means is for the mapping to say."""
        return dict.fromkeys(self.names, pl.String())

    def blocks(self, start: Start = BEGINNING) -> Iterator[Block]:
        """Read the file from *start* on. Raises InputError when it cannot be read to its end.

        A row that is longer than a block is read anew with larger ones, and so is what follows.
        """
        place = Place(row=start.row, line=start.line or self.header_lines + 1)
        for block_bytes in (self.block_bytes, LONG_ROW_BYTES):
            try:
                with reading(self.stored.name):
                    yield from self._read(place, block_bytes)
            except _RowTooLong:
                continue
            return
        with reading(self.stored.name):
            yield self._runaway(place)

    @property
    def _last_line(self) -> str:
        """A line that is added to the file; if a quote is still open there, it is swallowed.

        It has one column too many, so that it breaks wherever it stands for itself.
        """
        return _LAST_LINE + self.options.delimiter * len(self.names)

    def _read(self, place: Place, block_bytes: int) -> Iterator[Block]:
        numbering = Numbering(place)
        with Text(self.stored, self.options, end=self._last_line.encode()) as text:
            text.skip_lines(place.line - 1)
            # A first row that is good: pyarrow keeps looking for one before it returns anything,
            # in a file where every row is broken through all of it.
            text.put_back(self.options.delimiter.encode() * (len(self.names) - 1) + b"\n")
            number_of_first = 2
            batches = self._batches(text, numbering, block_bytes, place.row - number_of_first)
            for index, batch in enumerate(batches):
                rows = batch if index else batch.slice(1)
                block = self._block(rows, numbering, text)
                if block.frame.height or block.broken.height:
                    yield block

    def _batches(
        self, text: Text, numbering: Numbering, block_bytes: int, rows_before: int
    ) -> Iterator[pa.RecordBatch]:
        def lose(row: arrow_csv.InvalidRow) -> str:
            if row.text != self._last_line:
                swallowed = row.text.removesuffix(self._last_line)
                reason = self._column_count(row, swallowed)
                numbering.lose(rows_before + row.number, swallowed, reason)
            return "skip"

        try:
            yield from arrow_csv.open_csv(
                pa.PythonFile(text, mode="r"),
                read_options=arrow_csv.ReadOptions(
                    block_size=block_bytes, use_threads=False, column_names=self.names
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.options.delimiter,
                    quote_char=self.options.quote or False,
                    newlines_in_values=bool(self.options.quote),
                    ignore_empty_lines=False,
                    invalid_row_handler=lose,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self.names, pa.string()),
                    strings_can_be_null=False,
                    check_utf8=False,  # `Text` gives nothing else
                ),
            )
        except pa.ArrowInvalid as error:
            if "straddl" in str(error):  # "straddling object straddles two block boundaries"
                raise _RowTooLong from error
            raise

    def _column_count(self, row: arrow_csv.InvalidRow, text: str) -> str:
        found, expected = row.actual_columns, len(self.names)
        reason = f"{found} {'column' if found == 1 else 'columns'}, expected {expected}"
        if len(text) < len(row.text):
            return f"{reason}: {_NEVER_CLOSED}"
        lines = newlines_in(text) + 1
        return reason if lines == 1 else f"{reason}: it spans {lines} lines, is a quote not closed?"

    def _block(self, batch: pa.RecordBatch, numbering: Numbering, text: Text) -> Block:
        frame = pl.DataFrame(batch)
        if text.has_nul:
            frame = frame.with_columns(pl.all().str.replace_all(NUL, "\0", literal=True))
        newlines = _newlines_inside(batch, frame) if text.has_quote else None
        start = numbering.start
        placed, broken = numbering.number(frame.height, newlines)
        reason = self._reason(batch, frame, text)
        bad = reason != ""
        if bad.any():
            faulty = placed.filter(bad).with_columns(
                reason=reason.filter(bad), raw=self._raw(frame.filter(bad))
            )
            broken = pl.concat([broken, faulty]).sort(ROW)
            frame, placed = frame.filter(~bad), placed.filter(~bad)
        return Block(
            file=self.stored.name,
            frame=frame,
            row=placed[ROW],
            line=placed[LINE],
            broken=broken,
            share_read=text.share(),
            start=start,
            printable=not text.has_control,
        )

    def _reason(self, batch: pa.RecordBatch, frame: pl.DataFrame, text: Text) -> pl.Series:
        """Return what is wrong with each row, or ""; no rows where nothing can be."""
        faults = self._faults(batch, frame, text)
        if not faults:
            return pl.Series(dtype=pl.String)
        reason = pl.concat_str(faults, separator="; ", ignore_nulls=True)
        return frame.select(reason).to_series()

    def _faults(self, batch: pa.RecordBatch, frame: pl.DataFrame, text: Text) -> list[pl.Expr]:
        """Return expressions that give a row's reason or null, as few as this batch may need."""
        faults: list[pl.Expr] = []
        if frame.height and (frame.to_series(0) == "").any():
            blank = pl.all_horizontal(pl.all() == "")
            faults.append(pl.when(blank).then(pl.lit(_BLANK)))
        if text.ended and frame.height:
            swallowed = pl.nth(-1).str.ends_with(self._last_line)
            faults.append(pl.when(swallowed).then(pl.lit(_NEVER_CLOSED)))
        for index, name in enumerate(self.names):
            if text.damaged:
                damaged = pl.nth(index).str.contains(MARK, literal=True)
                says = f'column "{name}": not valid {self.options.encoding.upper()}'
                faults.append(pl.when(damaged).then(pl.lit(says)))
            length_max = self.options.field_length_max
            if _value_bytes(batch.column(index)) > length_max:
                long = pl.nth(index).str.len_bytes() > length_max
                says = f'column "{name}": longer than {length_max:,} bytes; is a quote not closed?'
                faults.append(pl.when(long).then(pl.lit(says)))
        return faults

    def _raw(self, frame: pl.DataFrame) -> pl.Series:
        """Put the cells of each row together again, nearly as they stood in the file."""
        raw = pl.concat_str(pl.all(), separator=self.options.delimiter)
        for inserted, shown in ((self._last_line, ""), (MARK, "\ufffd")):
            raw = raw.str.replace_all(inserted, shown, literal=True)
        blank = pl.all_horizontal(pl.all() == "")
        raw = pl.when(~blank).then(raw.str.head(RAW_LENGTH_MAX)).otherwise(pl.lit(""))
        return frame.select(raw.alias("raw")).to_series()

    def _runaway(self, place: Place) -> Block:
        """Make one broken row of all that follows *place*, without holding it in memory."""
        with Text(self.stored, self.options) as text:
            text.skip_lines(place.line - 1)
            start = last = text.read(4 * RAW_LENGTH_MAX)
            lines = count_lines(start)
            while more := text.read(READ_BYTES):
                lines += count_lines(more)
                last = more
            lines += not last.endswith((b"\n", b"\r"))
        reason = (
            f"a quote is not closed within {LONG_ROW_BYTES >> 20} MiB: the {lines:,} lines from "
            "here to the end of the file are not read"
        )
        numbering = Numbering(place)
        begins = numbering.start
        numbering.lose(place.row, start.decode(errors="replace"), reason)
        placed, broken = numbering.number(0)
        return Block(
            file=self.stored.name,
            frame=pl.DataFrame(schema=self.columns),
            row=placed[ROW],
            line=placed[LINE],
            broken=broken,
            share_read=1.0,
            start=begins,
        )


def _newlines_inside(batch: pa.RecordBatch, frame: pl.DataFrame) -> pl.Series | None:
    """Count the line ends within the cells of each row; None where there are none."""
    spanning = [
        pl.nth(index).str.count_matches(_LINE_END).cast(pl.UInt64)
        for index, column in enumerate(batch.columns)
        if _holds_newline(column)
    ]
    if not spanning:
        return None
    return frame.select(pl.sum_horizontal(spanning)).to_series()


def _holds_newline(column: pa.StringArray) -> bool:
    values = column.buffers()[2]
    text = values.to_pybytes() if values else b""
    return b"\n" in text or b"\r" in text


def _value_bytes(column: pa.StringArray) -> int:
    values = column.buffers()[2]
    return values.size if values else 0


def open_csv(stored: Stored, options: CsvOptions, *, block_bytes: int = BLOCK_BYTES) -> CsvFile:
    """Read the header of *stored*. Raises InputError if it names no columns that can be used."""
    with reading(stored.name), Text(stored, options) as text:
        start = text.read(HEADER_BYTES_MAX)
    if not start:
        raise InputError(
            f"{stored.name} is empty", hint="it has not even a header: export it again"
        )
    if not options.header:
        names, lines = options.column_names, 0
        if not names:
            raise InputError(
                f"{stored.name}: no name for any column",
                hint="header is false, so set column_names under [csv] too",
            )
    else:
        names, lines = _header(stored.name, start.decode(errors="ignore"), options)
    _check_names(stored.name, names)
    return CsvFile(
        stored=stored, options=options, names=names, header_lines=lines, block_bytes=block_bytes
    )


def _header(file: str, start: str, options: CsvOptions) -> tuple[tuple[str, ...], int]:
    """Return the names in the first row of *start*, and the number of lines that they take."""
    rows = csv.reader(
        io.StringIO(start, newline=""),
        delimiter=options.delimiter,
        quotechar=options.quote or None,
        quoting=csv.QUOTE_MINIMAL if options.quote else csv.QUOTE_NONE,
    )
    try:
        names = next(rows)
    except csv.Error as error:
        raise InputError(
            f"{file}: its header cannot be read: {error}", hint="is a quote not closed on line 1?"
        ) from error
    if not names:
        raise InputError(
            f"{file}: line 1 is blank where the header should be",
            hint="remove it, or set header = false and column_names under [csv]",
        )
    return tuple(names), rows.line_num


def _check_names(file: str, names: tuple[str, ...]) -> None:
    if any(MARK in name or NUL in name for name in names):
        raise InputError(
            f"{file}: its header is in another encoding",
            hint="name it: encoding = … under [csv], for instance latin-1, cp1252 or utf-16",
        )
    nameless = [str(index) for index, name in enumerate(names, 1) if not name.strip()]
    if nameless:
        raise InputError(
            f"{file}: no name for column {', '.join(nameless)}",
            hint="mend the header, or set header = false and column_names under [csv]",
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{file}: more than one column is called {', '.join(map(repr, repeated))}",
            hint="give each column a name of its own",
        )
