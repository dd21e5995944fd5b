"""What is durably known of every batch and request: the one truth of a run (DESIGN §4)."""

from pipeline.ledger.store import SET_ASIDE, Ledger

__all__ = ["SET_ASIDE", "Ledger"]
