"""The records among themselves: names that are found, fields that refer to others; the table."""

import pytest

from pipeline.operations import OPERATIONS, Kind, Operation, Place, find, names
from pipeline.operations.table import markdown
from pipeline.transport.verdict import expects_answer

EACH = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
MISSION = {  # the fourteen, by the API's own names
    *("createCouponReservation", "createReferral", "createReferralsForMultipleAdvocates"),
    *("deleteCouponReservation", "deleteCustomerData", "getCustomerInventory"),
    *("getReservedCustomers", "trackEvent", "updateCustomerProfile"),
    *("updateCustomerProfileAudiences", "updateCustomerProfileV2", "updateCustomerProfilesV2"),
    *("updateCustomerSession", "updateCustomerSessionV2"),
}


def test_all_fourteen_are_there_and_answer_to_both_names() -> None:
    assert {operation.id for operation in OPERATIONS} >= MISSION
    assert len(set(names())) == len(names()) == 2 * len(OPERATIONS)
    for operation in OPERATIONS:
        assert find(operation.name) is find(operation.id) is operation
    assert find("profile") is None


@EACH
def test_what_a_record_refers_to_is_there(operation: Operation) -> None:
    fields = {field.name: field for field in operation.fields}
    assert len(fields) == len(operation.fields)
    referred = {operation.key, *operation.lanes, *operation.replaces}
    referred |= {name for f in operation.fields for name in (f.needs, f.only_with) if name}
    referred |= {name for name in (operation.missing_names, operation.lines) if name}
    assert referred <= fields.keys()
    assert all(fields[f.only_with].kind is Kind.BOOLEAN for f in fields.values() if f.only_with)
    for name in (operation.in_bulk, operation.successor):
        assert not name or find(name) is not None
    assert operation.retired == bool(operation.successor)
    path = {f.path for f in operation.fields if f.place is Place.PATH}
    assert {part[1:-1] for part in operation.path.split("/") if part.startswith("{")} == path
    assert operation.bulk == bool(operation.envelope)


@EACH
def test_the_results_keep_their_own_columns(operation: Operation) -> None:
    answers = [field.name for field in operation.answer.fields]
    common = {"row", "source", "line", "key", "status", "stage", "batch", "attempts"}
    assert len(set(answers)) == len(answers)
    assert not common & set(answers)


def test_the_table_has_a_line_for_each_operation() -> None:
    lines = markdown().splitlines()
    assert len(lines) == 2 + len(OPERATIONS)
    assert len({line.count("|") for line in lines}) == 1
    for line, operation in zip(lines[2:], OPERATIONS, strict=True):
        assert f"`{operation.name}`" in line
        assert f"{operation.id}: {operation.method} `{operation.path}`" in line
        assert f"| {operation.rows_max:,} |" in line
        assert ("asks first" in line) == operation.destructive
        assert all(f"`{field.name}`" in line for field in operation.answer.fields)


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("referrals", "/v1/x?silent=no", True),
        ("referrals", "/v1/x?silent=yes", False),
        ("events", "/v2/events?dry=true&silent=no", True),
        ("referrals-one-by-one", "/v1/referrals", True),
        ("sessions", "/v2/customer_sessions/silent%3Dno", True),
        ("profiles", "/v2/customer_profiles?silent=yes", False),
        ("audiences", "/v2/customer_audiences", False),
        ("erasures", "/v1/customer_data/a", False),
        ("events-v1", "/v1/events", False),
    ],
)
def test_a_success_must_have_a_body_where_it_is_asked_for_or_the_only_one_there_is(
    name: str, target: str, expected: bool
) -> None:
    operation = find(name)
    assert operation is not None
    assert expects_answer(operation, target) is expected
