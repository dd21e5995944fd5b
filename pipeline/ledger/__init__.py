"""What is durably known of every batch and request: the one truth of a run (DESIGN §4)."""

from pipeline.ledger.states import FINAL
from pipeline.ledger.store import CHECKPOINT, ROWS, SET_ASIDE, Ledger

__all__ = ["CHECKPOINT", "FINAL", "ROWS", "SET_ASIDE", "Ledger"]
