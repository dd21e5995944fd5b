"""What the account itself tells: its attributes (Management API, API.md §2.11)."""

from __future__ import annotations

from pipeline.sandbox.answers import Answer, read
from pipeline.sandbox.call import Account, Call, Operation


def attributes(call: Call, account: Account) -> Answer:
    """Return one page of the declared attributes."""
    return read(account.attributes(call.query))


OPERATIONS = (
    Operation(
        name="getAttributes",
        method="GET",
        path="/v1/attributes",
        act=attributes,
        keys=lambda _: (),
        aliases=("attributes",),
        management=True,
    ),
)
