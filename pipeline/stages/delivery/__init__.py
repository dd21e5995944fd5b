"""Batches to an outcome for each of their rows; given a way to send, and never knowing which."""

from pipeline.stages.delivery.deliver import Delivery, Exchanging, Ports, deliver
from pipeline.stages.delivery.drafts import (
    REPLAY_S,
    Draft,
    LaneKeys,
    drafts,
    lane_keys,
    take,
)
from pipeline.stages.delivery.proof import Proof

__all__ = [
    "REPLAY_S",
    "Delivery",
    "Draft",
    "Exchanging",
    "LaneKeys",
    "Ports",
    "Proof",
    "deliver",
    "drafts",
    "lane_keys",
    "take",
]
