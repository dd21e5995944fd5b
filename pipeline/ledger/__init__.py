"""What is durably known of every batch and request: the one truth of a run (DESIGN §4)."""

from pipeline.ledger.states import FINAL
from pipeline.ledger.store import ROWS, SET_ASIDE, Ledger

__all__ = ["FINAL", "ROWS", "SET_ASIDE", "Ledger"]
