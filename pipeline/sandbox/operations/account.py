"""What the account itself tells: its attributes (Management API, API.md §2.11)."""

from __future__ import annotations

from pipeline.sandbox.answers import Answer, Problem, Refused, read
from pipeline.sandbox.call import Account, Call, Operation

PAGE_MAX = 1000


def attributes(call: Call, account: Account) -> Answer:
    """Return one page of the declared attributes."""
    for name, lowest, highest in (("pageSize", 1, PAGE_MAX), ("skip", 0, 1 << 31)):
        value = call.query.get(name, "1")
        if not value.isdigit() or not lowest <= int(value) <= highest:
            details = f"{name} must be a whole number from {lowest} to {highest}"
            raise Refused(
                400, problems=[Problem(title="Invalid type", details=details, parameter=name)]
            )
    return read(account.catalogue.page(call.query))


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
