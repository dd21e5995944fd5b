"""The typed rows of a batch → the bytes of its requests. Pure: the same rows give the same bytes.

What goes where is read from the operation; nothing here is about one operation in particular.
Never: files, the network, the ledger, or why these rows make a batch.
"""

from pipeline.stages.encoding.requests import to_batches, to_bodies, to_json, to_requests
from pipeline.stages.encoding.targets import to_targets

__all__ = ["to_batches", "to_bodies", "to_json", "to_requests", "to_targets"]
