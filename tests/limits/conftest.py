"""The account of the journeys, for this room too."""

from tests.journey.conftest import account, embedded

__all__ = ["account", "embedded"]
