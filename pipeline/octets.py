"""The bytes of a text as numbers, to look for some of them: thirty-two at a time, and never copied.

Knows nothing of what they mean.
"""

import polars as pl
import pyarrow as pa


def octets(text: bytes | pa.Buffer) -> pl.Series:
    """Return the bytes of *text* as UInt8."""
    array = pa.Array.from_buffers(pa.uint8(), len(text), [None, pa.py_buffer(text)])
    # As a batch: polars imports pyarrow.compute for an array by itself, which takes 0.1 s.
    return pl.DataFrame(pa.RecordBatch.from_arrays([array], ["octets"])).to_series()
