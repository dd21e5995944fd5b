"""Which row and which line: counted over all blocks of a text file, with the rows that broke.

Knows numbers and the text of broken rows; never a reader.
"""

import polars as pl
from msgspec import Struct

from pipeline.model import LINE, ROW
from pipeline.stages.source.block import BROKEN_SCHEMA, RAW_LENGTH_MAX, Start, nothing_broken
from pipeline.stages.source.text import MARK, NUL

_LOST_SCHEMA = {ROW: pl.UInt64, "newlines": pl.UInt64, "reason": pl.String, "raw": pl.String}


class Place(Struct):
    """Where the next row stands: its number, and the line on which it starts, both from 1."""

    row: int
    line: int


class Numbering:
    """Numbers the rows of one file from *place* on, and moves *place* along with them.

    A reader tells first of the rows that it lost, by number; then how many good ones it has.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lost: list[tuple[int, int, str, str]] = []

    @property
    def start(self) -> Start:
        """Where the next row stands, for whoever wants to read from there another time."""
        return Start(row=self.place.row, line=self.place.line)

    def lose(self, row: int, text: str, reason: str) -> None:
        """Note that *row* broke; *text* is all that stood there. To be told in ascending order."""
        raw = text[: 2 * RAW_LENGTH_MAX].replace(MARK, "\ufffd").replace(NUL, "\0")[:RAW_LENGTH_MAX]
        self._lost.append((row, newlines_in(text), reason, raw))

    def number(
        self, count: int, newlines: pl.Series | None = None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Place the next *count* good rows; *newlines* says how many each holds inside, if any do.

        Returns (row, line) of them, and BROKEN_SCHEMA of the lost rows between and just after.
        """
        if newlines is None:
            if not self._lost or self._lost[0][0] > self.place.row + count:
                return self._consecutive(count), nothing_broken()
            newlines = pl.repeat(0, count, dtype=pl.UInt64, eager=True)
        end = self.place.row + len(newlines)
        taken = 0
        for number, *_ in self._lost:
            if number > end:
                break
            end += 1
            taken += 1
        lost = pl.DataFrame(self._lost[:taken], schema=_LOST_SCHEMA, orient="row")
        del self._lost[:taken]

        row = pl.int_range(self.place.row, end, dtype=pl.UInt64, eager=True).alias(ROW)
        if taken:
            good = row.to_frame().join(lost, on=ROW, how="anti", maintain_order="left")
            good = good.with_columns(newlines=newlines)
            newlines = pl.concat([good, lost.select(ROW, "newlines")]).sort(ROW)["newlines"]
        lines_before = row - self.place.row + newlines.cum_sum() - newlines
        places = pl.DataFrame({ROW: row, LINE: lines_before + self.place.line})
        self.place.row = end
        self.place.line += len(row) + int(newlines.sum())
        if not taken:
            return places, nothing_broken()
        broken = lost.join(places, on=ROW, maintain_order="left").select(list(BROKEN_SCHEMA))
        return places.join(lost, on=ROW, how="anti", maintain_order="left"), broken

    def _consecutive(self, count: int) -> pl.DataFrame:
        """Place rows of one line each with nothing between them, as nearly all rows are."""
        place = self.place
        columns = [
            pl.int_range(first, first + count, dtype=pl.UInt64, eager=True).alias(name)
            for name, first in ((ROW, place.row), (LINE, place.line))
        ]
        place.row += count
        place.line += count
        return pl.DataFrame(columns)


def newlines_in(text: str) -> int:
    r"""Count the line ends (\n, \r\n or \r) in *text*."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")
