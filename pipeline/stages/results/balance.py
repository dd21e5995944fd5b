"""The sum that must come out: every source row has exactly one outcome. Pure."""

from pipeline.errors import InvariantBroken
from pipeline.model import Status, Totals


def check_balance(totals: Totals, *, rows_read: int, rows_written: int) -> None:
    """Raise InvariantBroken unless rows read = rows by status = rows of results at a run's end.

    rows_read: of the source; rows_written: of the results parts that the ledger names.
    """
    counted = sum(totals.by_status.values())
    if not rows_read == totals.rows == counted == rows_written or totals.of(Status.PENDING):
        raise InvariantBroken(
            f"rows do not add up: {rows_read} read, {totals.rows} in the ledger, {counted} with a "
            f"status ({totals.of(Status.PENDING)} of them pending), {rows_written} in the results"
        )
