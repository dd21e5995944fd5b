"""Typed rows → the good ones, and the rejected ones with every reason why."""

from pipeline.stages.validation.rules import Check, rules
from pipeline.stages.validation.split import Checked, objections, split, unreadable

__all__ = ["Check", "Checked", "objections", "rules", "split", "unreadable"]
