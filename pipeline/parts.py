"""Parts: the Parquet files of a run folder, each whole or not there, and how they are read again.

A column that says what another one says is not written twice: of most exports the columns as they
came are the fields as they are sent, and a run of a million rows spends a tenth of its time on
writing them. Whoever reads a part here finds every column in it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
from msgspec import Struct, field

from pipeline import durable
from pipeline.model import KEY, REPEATS_KEY, SOURCE


class Repeats(Struct, frozen=True, kw_only=True):
    """What a staged frame says twice: its key, and columns of its source, as fields."""

    key: str | None = None
    """The field that is the key, letter by letter; None: `key` is a column of its own."""
    columns: Mapping[str, str | None] = field(default_factory=dict)
    """The columns of the source in order; the field that says the same, or None."""
    blank: str | None = None
    """What stood in the source where such a field is null; None: null."""

    def left_out(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return *frame*, with `key` and `source` whole, without what it says twice."""
        gone = {KEY} if self.key is not None else set()
        own: list[pl.Series] = []
        if any(self.columns.values()):
            gone.add(SOURCE)
            left = [name for name, said_by in self.columns.items() if said_by is None]
            source = frame.get_column(SOURCE).struct.unnest()
            own = [source[left].to_struct(SOURCE)] if left else []
        # By name: `drop` is a query, which takes some twenty times as long.
        return frame[[name for name in frame.columns if name not in gone]].hstack(own)

    def restored(self) -> Iterator[pl.Expr]:
        """Yield the columns that `left_out` left out, over what it returned."""
        if self.key is not None:
            yield pl.col(self.key).alias(KEY)
        if any(self.columns.values()):
            yield pl.struct(self._columns()).alias(SOURCE)

    def _columns(self) -> Iterator[pl.Expr]:
        for name, said_by in self.columns.items():
            if said_by is None:
                yield pl.col(SOURCE).struct.field(name)
            else:
                said = pl.col(said_by)
                yield (said if self.blank is None else said.fill_null(self.blank)).alias(name)

    def to_metadata(self) -> dict[str, str]:
        """Return what a Parquet file is to carry, so that `of` finds it there."""
        plain = {"key": self.key, "columns": dict(self.columns), "blank": self.blank}
        return {REPEATS_KEY: json.dumps(plain)}

    @classmethod
    def of(cls, path: Path) -> "Repeats":
        """Return what the part at *path* does not say twice. Raises PolarsError."""
        return cls(**json.loads(pl.read_parquet_metadata(path).get(REPEATS_KEY, "{}")))


NOTHING = Repeats()


def write_part(frame: pl.DataFrame, path: Path, repeats: Repeats = NOTHING) -> None:
    """Write *frame* durably to *path* as Parquet. Raises StorageError.

    repeats: what is left out of it already.
    """
    metadata = repeats.to_metadata() if repeats != NOTHING else None

    def write(temporary: Path) -> None:
        # Statistics would save no reading: parts are read whole, or by their columns.
        frame.write_parquet(temporary, compression="snappy", statistics=False, metadata=metadata)

    durable.write_file(path, write, pl.exceptions.ComputeError)


def read_part(
    path: Path, columns: Sequence[str] | None = None, *, without: Sequence[str] = ()
) -> pl.DataFrame:
    """Return *columns* of the part at *path*, else all but some. Raises StorageError if it is gone.

    Read by name: a scan that drops a column takes twice as long (measured).
    """
    with durable.reading(path, pl.exceptions.PolarsError):
        schema = pl.read_parquet_schema(path)
        made = {expr.meta.output_name(): expr for expr in Repeats.of(path).restored()}
        wanted = columns or [n for n in {**schema, **made} if n not in without]
        made = {name: expr for name, expr in made.items() if name in wanted}
        needed = {name for expr in made.values() for name in expr.meta.root_names()}
        frame = pl.read_parquet(path, columns=[n for n in schema if n in {*wanted, *needed}])
        return frame.with_columns(made.values()).select(wanted)


def scan_part(path: Path) -> pl.LazyFrame:
    """Return the part at *path*, of which only what is asked for is read. Raises PolarsError."""
    return pl.scan_parquet(path).with_columns(Repeats.of(path).restored())
