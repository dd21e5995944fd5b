"""Batches to an outcome for each of their rows; given a way to send, and never knowing which."""

from pipeline.stages.delivery.deliver import Delivery, Exchanging, Ports, deliver
from pipeline.stages.delivery.drafts import Draft, drafts
from pipeline.stages.delivery.proof import Proof

__all__ = ["Delivery", "Draft", "Exchanging", "Ports", "Proof", "deliver", "drafts"]
