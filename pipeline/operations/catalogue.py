"""Every operation, in the order in which people are shown them; how one is found by its name."""

from pipeline.operations.bulk import (
    AUDIENCES,
    CATALOG,
    PROFILES,
    REFERRALS,
    REMOVALS,
    RESERVATIONS,
)
from pipeline.operations.operation import Operation
from pipeline.operations.retired import EVENTS_V1, PROFILES_V1, SESSIONS_V1
from pipeline.operations.single import (
    ERASURES,
    EVENTS,
    EVENTS_V3,
    INVENTORIES,
    PROFILES_ONE_BY_ONE,
    REFERRALS_ONE_BY_ONE,
    RESERVED_CUSTOMERS,
    SESSIONS,
)

OPERATIONS: tuple[Operation, ...] = (
    PROFILES,
    AUDIENCES,
    REFERRALS,
    RESERVATIONS,
    REMOVALS,
    REFERRALS_ONE_BY_ONE,
    PROFILES_ONE_BY_ONE,
    SESSIONS,
    EVENTS_V1,
    PROFILES_V1,
    SESSIONS_V1,
    ERASURES,
    INVENTORIES,
    RESERVED_CUSTOMERS,
    EVENTS,
    EVENTS_V3,
    CATALOG,
)
"""The fourteen that the mission names, then today's successors of the old ones."""


def names() -> tuple[str, ...]:
    """Return what an operation may be called: every name, then every operationId."""
    return tuple(o.name for o in OPERATIONS) + tuple(o.id for o in OPERATIONS)


def find(name: str) -> Operation | None:
    """Return the operation called *name*, by its name or its operationId, or None."""
    return next((o for o in OPERATIONS if name in (o.name, o.id)), None)
