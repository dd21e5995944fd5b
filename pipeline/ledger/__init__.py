"""What is durably known of every batch and request: the one truth of a run (DESIGN §4)."""

from pipeline.ledger.store import Ledger

__all__ = ["Ledger"]
