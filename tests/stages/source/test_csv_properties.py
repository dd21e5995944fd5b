"""What goes into a CSV file comes out of it, cell by cell, in place, whatever the blocks."""

import bz2
import csv
import gzip
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.csv import CsvOptions
from pipeline.stages.source.csv import open_csv
from pipeline.stages.source.text import MARK, NUL
from tests.stages.source.memory import gathered, stored

# MARK and NUL stand for what they are not, and a cell that really holds one is not sent as it is.
CHARACTERS = st.characters(codec="utf-8", exclude_characters=MARK + NUL)
CELLS = st.one_of(
    st.text(CHARACTERS, max_size=12),
    st.text(st.sampled_from("ab\r\n\"',;\t\\ é😀\ufeff\0"), max_size=12),
)
NAMES = CELLS.filter(lambda name: name.strip() and "\0" not in name)
BLOCK_BYTES = st.sampled_from([16, 17, 31, 64, 100, 1000, 1 << 20])
COMPRESSIONS = (
    bytes,
    gzip.compress,
    bz2.compress,
    partial(pa.compress, codec="zstd", asbytes=True),
)


@dataclass(frozen=True)
class Style:
    """How a file is written."""

    options: CsvOptions
    line_end: str
    quoting: int
    compress: Callable[[bytes], bytes]
    ends_its_last_line: bool

    def row(self, cells: Sequence[str]) -> str:
        text = io.StringIO(newline="")
        csv.writer(
            text,
            delimiter=self.options.delimiter,
            quotechar=self.options.quote,
            lineterminator=self.line_end,
            quoting=self.quoting,
        ).writerow(cells)
        return text.getvalue()

    def file(self, rows: Sequence[str]) -> bytes:
        text = "".join(rows)
        if not self.ends_its_last_line:
            text = text.removesuffix(self.line_end)
        return self.compress(text.encode(self.options.encoding))


@st.composite
def styles(draw: st.DrawFn) -> Style:
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    # Python's writer quotes \r only where it is part of the line's end.
    quoting = csv.QUOTE_ALL if line_end != "\r\n" else draw(st.sampled_from([0, csv.QUOTE_ALL]))
    return Style(
        options=CsvOptions(
            delimiter=draw(st.sampled_from(",;\t|")),
            quote=draw(st.sampled_from("\"'")),
            encoding=draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])),
        ),
        line_end=line_end,
        quoting=quoting,
        compress=draw(st.sampled_from(COMPRESSIONS)),
        ends_its_last_line=draw(st.booleans()),
    )


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[str, ...]]:
    """Draw a header of distinct names, and rows of cells."""
    names = draw(
        st.lists(NAMES, min_size=1, max_size=4, unique=True).filter(
            lambda names: not names[0].startswith("\ufeff")
        )
    )
    rows = draw(st.lists(st.tuples(*[CELLS] * len(names)), max_size=12))
    return [tuple(names), *rows]


def count_lines(text: str) -> int:
    return len(re.findall(r"\r\n|\r|\n", text))


@given(table=tables(), style=styles(), block_bytes=BLOCK_BYTES)
def test_every_cell_comes_back_with_its_row_and_line(
    table: list[tuple[str, ...]], style: Style, block_bytes: int
) -> None:
    written = [style.row(cells) for cells in table]
    content = style.file(written)
    file = open_csv(stored(content), style.options, block_bytes=block_bytes)

    rows = gathered(file.blocks())

    assert tuple(file.columns) == table[0]
    numbered = dict(enumerate(table[1:], 1))
    blank = {number for number, cells in numbered.items() if not any(cells)}
    assert rows.good == {n: cells for n, cells in numbered.items() if n not in blank}
    assert rows.broken == dict.fromkeys(blank, "blank line")
    lines = {n: count_lines("".join(written[:n])) + 1 for n in numbered}
    assert rows.lines | rows.broken_lines == lines


@given(
    body=st.lists(
        st.sampled_from(
            [b'"', b",", b"\n", b"\r\n", b"\r", b"a", b"bc", b"\xff", b"\xc3\xa9", b"\0"]
        ),
        max_size=60,
    ).map(b"".join),
    block_bytes=BLOCK_BYTES,
)
def test_any_bytes_are_rows_as_python_sees_them_and_no_row_is_lost(
    body: bytes, block_bytes: int
) -> None:
    file = open_csv(stored(b"x,y\n" + body), CsvOptions(), block_bytes=block_bytes)

    rows = gathered(file.blocks())

    text = body.decode(errors="replace")
    expected = [tuple(cells) for cells in csv.reader(io.StringIO(text, newline=""))]
    assert len(rows.good) + len(rows.broken) == len(expected)
    for number, cells in rows.good.items():
        assert cells == expected[number - 1]
    for number, reason in rows.broken.items():
        cells = expected[number - 1]
        if len(cells) not in {0, 2}:
            columns = "column" if len(cells) == 1 else "columns"
            assert reason.startswith(f"{len(cells)} {columns}, expected 2")
        elif reason == "blank line":
            assert not any(cells)
        elif reason.startswith("column"):
            assert "\ufffd" in "".join(cells)
        else:
            assert reason.startswith("a quote is never closed")
            assert number == len(expected)
