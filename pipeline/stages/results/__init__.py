"""Outcomes to Parquet: one row per source row, and the rows to mend."""

from pipeline.stages.results.balance import check_balance
from pipeline.stages.results.failures import Parts, write_failures
from pipeline.stages.results.frames import of_batches, of_rejected, schema_of

__all__ = ["Parts", "check_balance", "of_batches", "of_rejected", "schema_of", "write_failures"]
