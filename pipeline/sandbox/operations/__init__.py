"""The operations that the sandbox serves, one file per family, gathered in one table."""

from pipeline.sandbox.operations import account, audiences, profiles, referrals

OPERATIONS = (
    *profiles.OPERATIONS,
    *referrals.OPERATIONS,
    *audiences.OPERATIONS,
    *account.OPERATIONS,
)
NAMES = {  # what may stand after `on` in a fault: the operationId and the short names
    name: {operation.name}
    for operation in OPERATIONS
    for name in (operation.name, *operation.aliases)
}
