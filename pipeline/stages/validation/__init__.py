"""Typed rows → the good ones, and the rejected ones with every reason why."""

from pipeline.stages.validation.rules import Check, cell_of, only_with, rules
from pipeline.stages.validation.split import Checked, objections, split, unreadable

__all__ = ["Check", "Checked", "cell_of", "objections", "only_with", "rules", "split", "unreadable"]
