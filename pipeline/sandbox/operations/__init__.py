"""The operations that the sandbox serves, one file per family, gathered in one table."""

from pipeline.sandbox.operations import (
    account,
    audiences,
    catalogs,
    coupons,
    events,
    old,
    profiles,
    referrals,
    sessions,
)

FAMILIES = (profiles, audiences, referrals, coupons, sessions, events, catalogs, old, account)
OPERATIONS = tuple(operation for family in FAMILIES for operation in family.OPERATIONS)
NAMES = {  # what may stand after `on` in a fault: the operationId and the short names
    name: {operation.name}
    for operation in OPERATIONS
    for name in (operation.name, *operation.aliases)
}
