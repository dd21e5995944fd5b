"""Outcomes to Parquet: one row per source row, and the rows to mend."""

from pipeline.stages.results.balance import check_balance
from pipeline.stages.results.failures import FAILED, Origin, Parts, place_of, write_failures
from pipeline.stages.results.frames import of_batches, of_rejected, of_superseded, schema_of

__all__ = [
    "FAILED",
    "Origin",
    "Parts",
    "check_balance",
    "of_batches",
    "of_rejected",
    "of_superseded",
    "place_of",
    "schema_of",
    "write_failures",
]
