"""Blocks of a source, put together before they are prepared."""

from pathlib import Path

from pipeline.config.toml import Overrides, job_from
from pipeline.preparation import BLOCKS_MAX, Preparation


def test_long_rows_are_not_put_together_without_end(tmp_path: Path) -> None:
    """A block has about a megabyte, whatever a row has."""
    source = tmp_path / "notes.csv"
    rows = [f"c{n},{n:02000}" for n in range(15_000)]
    source.write_text("\n".join(["integrationId,attributes.Note", *rows, ""]), encoding="utf-8")
    blocks = Preparation(job_from([str(source)], Overrides(to="profiles"))).blocks()
    first, *rest = [len(block.good) for block in blocks]
    assert first + sum(rest) == 15_000
    assert max(rest) <= BLOCKS_MAX * (first + 1)
    assert len(rest) > 1
