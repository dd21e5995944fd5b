"""What was spooled reads like what was given."""

import io
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.config.csv import CsvOptions
from pipeline.errors import InputError, StorageError
from pipeline.stages.source.locate import open_source
from pipeline.stages.source.spool import COPY_BYTES, spool_frame, spool_stream


def whole(path: Path) -> pl.DataFrame:
    return pl.concat([block.frame for block in open_source([str(path)], CsvOptions()).blocks()])


def test_a_frame_comes_back_with_its_types(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["00042", None], "n": [1, 2], "tags": [["a"], []]})
    assert_frame_equal(whole(spool_frame(frame, tmp_path)), frame)


def test_a_frame_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no columns"):
        spool_frame(pl.DataFrame(), tmp_path)
    with pytest.raises(InputError, match="Python objects in 'o'"):
        spool_frame(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_stream_is_copied_byte_by_byte(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,2\n" * COPY_BYTES
    path = spool_stream(io.BytesIO(content), tmp_path)
    assert path.name == "standard-input.csv"
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "ndjson"])
def test_a_stream_of_another_format_is_recognised(suffix: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2]})
    stream = io.BytesIO()
    {"parquet": frame.write_parquet, "arrow": frame.write_ipc, "ndjson": frame.write_ndjson}[
        suffix
    ](stream)
    stream.seek(0)
    path = spool_stream(stream, tmp_path)
    assert path.suffix == f".{suffix}"
    assert_frame_equal(whole(path), frame)


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError("gone")
            return super().read(size)

    with pytest.raises(StorageError, match="gone"):
        spool_stream(Broken(b"a,b\n" * COPY_BYTES), tmp_path)
    assert list(tmp_path.iterdir()) == []
