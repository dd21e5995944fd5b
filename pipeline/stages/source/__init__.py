"""Files → blocks of rows, in order, in bounded memory, each row with its number.

`locate.open_source` is the door.  Knows how files are written; never what their columns mean.
"""

from pipeline.stages.source.block import BEGINNING, FAILURE_COLUMNS, Block, Start, nothing_broken
from pipeline.stages.source.locate import Source, open_source
from pipeline.stages.source.spool import spool_frame, spool_stream

__all__ = [
    "BEGINNING",
    "FAILURE_COLUMNS",
    "Block",
    "Source",
    "Start",
    "nothing_broken",
    "open_source",
    "spool_frame",
    "spool_stream",
]
