"""Files in memory, and a source's rows gathered for comparison."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from pipeline.stages.source.block import BROKEN_SCHEMA, Block
from pipeline.stages.source.stored import Stored


@dataclass(frozen=True)
class Memory:
    """A filesystem with one file, as far as `Stored` asks for one."""

    content: bytes

    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.BufferReader(self.content)


@dataclass(frozen=True)
class Rows:
    """All rows of a source: the good ones by number, and the broken ones."""

    good: dict[int, tuple[object, ...]]
    lines: dict[int, int]
    broken: dict[int, str]
    broken_lines: dict[int, int]
    raw: dict[int, str]


def stored(content: bytes) -> Stored:
    """Give a file of that content."""
    return Stored(name="customers.csv", path="", filesystem=Memory(content), size=len(content))


def gathered(blocks: Iterable[Block]) -> Rows:
    """All blocks, row by row; every block is checked for its shape on the way."""
    good, lines, broken, broken_lines, raw = {}, {}, {}, {}, {}
    last = 0
    for block in blocks:
        assert len(block.row) == len(block.line) == block.frame.height
        assert block.row.dtype == block.line.dtype == pl.UInt64
        assert dict(block.broken.schema) == BROKEN_SCHEMA
        numbers = sorted([*block.row, *block.broken["row"]])
        assert numbers == list(range(last + 1, last + 1 + len(numbers)))
        last += len(numbers)
        good |= dict(zip(block.row, block.frame.rows(), strict=True))
        lines |= dict(zip(block.row, block.line, strict=True))
        broken |= dict(zip(block.broken["row"], block.broken["reason"], strict=True))
        broken_lines |= dict(zip(block.broken["row"], block.broken["line"], strict=True))
        raw |= dict(zip(block.broken["row"], block.broken["raw"], strict=True))
    return Rows(good=good, lines=lines, broken=broken, broken_lines=broken_lines, raw=raw)
