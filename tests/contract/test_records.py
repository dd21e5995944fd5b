"""Every record against the official OpenAPI document: paths, fields, types, limits, required.

The three V1 operations, which the document no longer has, against schemas written from API.md.
"""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.operations import (
    OPERATIONS,
    AnswerField,
    AnswerShape,
    Field,
    Kind,
    Operation,
    Place,
    Repeat,
    find,
)
from pipeline.sandbox import document
from tests.contract import schemas
from tests.contract.schemas import Schema

EACH = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
TYPES = {
    Kind.STRING: {"string"},
    Kind.TIME: {"string"},
    Kind.INTEGER: {"integer"},
    Kind.NUMBER: {"number"},
    Kind.BOOLEAN: {"boolean"},
    Kind.STRINGS: {"array"},
    Kind.TIMES: {"array"},
    Kind.INTEGERS: {"array"},
    Kind.NUMBERS: {"array"},
    Kind.JSON: {"array", "object"},
}
NOT_SENT = {
    "syncCatalog": {"version"},  # it changes with each request of the run itself
}
NOT_IN_A_CART = {  # read only, by the document's own word
    *("returnedQuantity", "remainingQuantity", "position", "catalogItemID", "selectedPriceType"),
    *("adjustmentReferenceId", "adjustmentEffectiveFrom", "adjustmentEffectiveUntil", "prices"),
}
KEYS_DOCUMENTED = {  # API.md §2.9: in prose only, on these and on operations that we have not
    *("updateCustomerProfilesV2", "updateCustomerProfileV2", "updateCustomerSessionV2"),
    "trackEventV2",
}
STATUSES_OF_OLD = {200, 201, 204}
"""What else counts as success: the first reference had no other statuses (API.md §1)."""


def route(operation: Operation) -> tuple[str, str]:
    """Path and method that the document gives the operationId."""
    for source in (document.official(), document._read("openapi_beyond.json")):
        for path, methods in source["paths"].items():
            for method, found in methods.items():
                if found["operationId"] == operation.id:
                    return path, method.upper()
    raise AssertionError(f"{operation.id} is in no document")


def place_of(operation: Operation, field: Field) -> tuple[str, ...]:
    """Where a field goes in the body, as the record says; the member's name for a family."""
    path = tuple(part.replace("*", "Name") for part in field.path.removeprefix("/").split("."))
    if field.place is Place.LINE:
        return (*([operation.wrap] if operation.wrap else []), operation.lines, *path)
    if field.place is Place.ROW:
        return (operation.envelope, *path) if operation.shape == "object" else (operation.envelope,)
    return path if field.path.startswith("/") or not operation.wrap else (operation.wrap, *path)


def body_fields(operation: Operation) -> list[Field]:
    return [f for f in operation.fields if f.place not in (Place.PATH, Place.QUERY)]


@EACH
def test_the_route_is_the_documents(operation: Operation) -> None:
    assert (operation.path, operation.method) == route(operation)


@EACH
def test_path_and_query_take_the_documents_parameters_and_no_others(operation: Operation) -> None:
    parameters = document.operations()[operation.id].get("parameters", ())
    for place in (Place.PATH, Place.QUERY):
        said = {p["name"]: p["schema"] for p in parameters if p["in"] == place.value}
        fields = {f.path: f for f in operation.fields if f.place is place}
        assert fields.keys() == said.keys()
        for name, schema in said.items():
            assert schema["type"] in TYPES[fields[name].kind], name
            assert place is not Place.PATH or fields[name].required


@EACH
def test_every_field_of_the_body_is_where_the_document_has_it(operation: Operation) -> None:
    body = schemas.body_of(operation.id)
    assert (body is None) == (not body_fields(operation))
    for field in body_fields(operation):
        found = schemas.at(body or {}, place_of(operation, field))
        assert found, f"{field.name}: the document has no {'.'.join(place_of(operation, field))}"
        kinds = {kind for part in found for kind in _types(part)}
        one_row = field.place is Place.ROW and operation.shape == "scalar"
        if kinds and not one_row:
            assert kinds & TYPES[field.kind], field.name


def _types(schema: Schema) -> list[str]:
    said = schema.get("type", [])
    return [said] if isinstance(said, str) else said


@EACH
def test_no_limit_is_wider_than_the_documents(operation: Operation) -> None:
    body = schemas.body_of(operation.id) or {}
    for field in body_fields(operation):
        found = schemas.at(body, place_of(operation, field))
        listed = stated_in_list(found) if field.kind.value.startswith("list") else found
        for keyword, own in (("maxLength", field.length_max), ("maximum", field.maximum)):
            limit = schemas.stated(listed, keyword)
            assert limit is None or (own is not None and own <= limit), (field.name, keyword)
        for keyword, own in (("minLength", field.length_min), ("minimum", field.minimum)):
            limit = schemas.stated(listed, keyword)
            assert limit is None or (own is not None and own >= limit), (field.name, keyword)
        most = None if field.place is Place.ROW else schemas.stated(found, "maxItems")
        assert most is None or (field.elements_max or most + 1) <= most, field.name


@EACH
def test_choices_are_the_documents_or_fewer(operation: Operation) -> None:
    body = schemas.body_of(operation.id) or {}
    for field in body_fields(operation):
        found = schemas.at(body, place_of(operation, field))
        listed = stated_in_list(found) if field.kind.value.startswith("list") else found
        allowed = schemas.stated(listed, "enum")
        consts = {part["const"] for part in listed if "const" in part}
        if allowed:
            assert field.choices, f"{field.name}: {allowed}"
            assert set(field.choices) <= set(allowed), field.name
        if consts:
            assert set(field.choices) <= consts, field.name


def stated_in_list(found: list[Schema]) -> list[Schema]:
    return [inner for part in found if "items" in part for inner in schemas.parts(part["items"])]


@EACH
def test_what_the_document_requires_is_always_sent(operation: Operation) -> None:
    body = schemas.body_of(operation.id)
    if body is None:
        return
    sent = {
        f.path.removeprefix("/").split(".")[0]: f
        for f in operation.fields
        if f.place is Place.BODY and (f.required or f.default is not None)
    }
    own = body if not operation.wrap else at_object(body, (operation.wrap,))
    named = schemas.required(own) - {operation.envelope}
    assert named <= sent.keys()
    rows = [f for f in operation.fields if f.place is Place.ROW and f.required]
    if operation.envelope and operation.shape == "object":
        needed = schemas.required(at_object(body, (operation.envelope,)))
        assert needed <= {f.path.split(".")[0] for f in rows}


def at_object(schema: Schema, path: tuple[str, ...]) -> Schema:
    """The object at *path*, or in the list there."""
    return {"allOf": [inner for part in schemas.at(schema, path) for inner in elements(part)]}


def elements(part: Schema) -> list[Schema]:
    return [part["items"]] if "items" in part else [part]


@EACH
def test_every_property_of_the_document_can_be_said(operation: Operation) -> None:
    body = schemas.body_of(operation.id)
    if body is None:
        return
    own = at_object(body, (operation.wrap,)) if operation.wrap else body
    said = {f.path.removeprefix("/").split(".")[0] for f in body_fields(operation)}
    left = schemas.properties(own) - said - NOT_SENT.get(operation.id, set())
    left -= {operation.envelope, operation.wrap}
    if operation.wrap:
        left |= schemas.properties(body) - said - {operation.wrap}
    assert left == set()


@EACH
def test_a_line_of_a_cart_has_all_that_the_document_gives_it(operation: Operation) -> None:
    cart = operation.field(operation.lines)
    if cart is None:
        return
    line = at_object(schemas.body_of(operation.id) or {}, place_of(operation, cart))
    assert {f.path for f in cart.elements} == schemas.properties(line) - NOT_IN_A_CART
    assert {f.path for f in cart.elements if f.required} >= schemas.required(line)


@EACH
def test_success_and_refusals_are_the_documents(operation: Operation) -> None:
    answers = {int(status) for status in document.operations()[operation.id]["responses"]}
    documented = {status for status in answers if status < 300}
    assert documented <= set(operation.success) <= documented | STATUSES_OF_OLD
    if operation.conflict == "done" or operation.id in KEYS_DOCUMENTED - {
        "updateCustomerProfilesV2"
    }:
        assert 409 in answers
    if operation.missing in ("isolate", "done"):
        assert 404 in answers


@EACH
def test_an_idempotency_key_goes_only_where_it_is_documented(operation: Operation) -> None:
    assert operation.idempotency_key == (operation.id in KEYS_DOCUMENTED)
    assert operation.repeat is not Repeat.KEYED or operation.idempotency_key


@EACH
def test_answers_are_looked_for_where_the_document_has_them(operation: Operation) -> None:
    statuses = document.operations()[operation.id]["responses"]
    answers = [document.answer_schema(operation.id, int(s)) for s in statuses if int(s) < 300]
    shape = operation.answer
    for field in shape.fields:
        path = f"{shape.rows_at}.{field.at}" if shape.rows_at else field.at
        steps = tuple(step.partition("[")[0] for step in path.split("."))
        found = [one for schema in answers if schema for one in schemas.at(schema, steps)]
        assert found, f"{field.name}: no {path} in the answer"


# ── the tests themselves: a record with a fault must not pass ────────────────────────────────────


def changed(name: str, field: str, **more: Any) -> Operation:
    """The operation *name*, its field *field* changed; without it where nothing is said."""
    operation = find(name)
    assert operation is not None
    assert operation.field(field) is not None
    fields = [replace(f, **more) if f.name == field else f for f in operation.fields]
    return replace(operation, fields=tuple(f for f in fields if more or f.name != field))


def other(name: str, **more: Any) -> Operation:
    operation = find(name)
    assert operation is not None
    return replace(operation, **more)


NOWHERE = AnswerShape(fields=(AnswerField(name="code", kind=Kind.STRING, at="cod"),))


@pytest.mark.parametrize(
    ("test", "mutant"),
    [
        (test_the_route_is_the_documents, other("erasures", path="/v1/customer/{integrationId}")),
        (test_the_route_is_the_documents, other("sessions-v1", method="POST")),
        (
            test_path_and_query_take_the_documents_parameters_and_no_others,
            changed("sessions", "now"),
        ),
        (
            test_every_field_of_the_body_is_where_the_document_has_it,
            changed("catalog", "price", at="price"),
        ),
        (
            test_every_field_of_the_body_is_where_the_document_has_it,
            changed("referrals", "usageLimit", kind=Kind.STRING),
        ),
        (
            test_every_field_of_the_body_is_where_the_document_has_it,
            changed("sessions", "cartItem.sku", at="id"),
        ),
        (
            test_no_limit_is_wider_than_the_documents,
            changed("sessions-v1", "coupon", length_max=200),
        ),
        (
            test_no_limit_is_wider_than_the_documents,
            changed("sessions", "couponCodes", length_max=101),
        ),
        (
            test_no_limit_is_wider_than_the_documents,
            changed("events", "loyaltyCards", elements_max=2),
        ),
        (
            test_choices_are_the_documents_or_fewer,
            changed("audiences", "action", choices=("add", "remove")),
        ),
        (
            test_choices_are_the_documents_or_fewer,
            changed("events-v3", "responseContent", choices=("event",)),
        ),
        (
            test_what_the_document_requires_is_always_sent,
            changed("referrals-one-by-one", "campaignId", required=False),
        ),
        (test_what_the_document_requires_is_always_sent, changed("catalog", "sku", required=False)),
        (
            test_every_property_of_the_document_can_be_said,
            changed("events-v3", "connectedSessionId"),
        ),
        (
            test_a_line_of_a_cart_has_all_that_the_document_gives_it,
            changed("sessions", "cartItems", elements=()),
        ),
        (test_success_and_refusals_are_the_documents, other("sessions", success=(204,))),
        (
            test_an_idempotency_key_goes_only_where_it_is_documented,
            other("referrals", idempotency_key=True),
        ),
        (
            test_answers_are_looked_for_where_the_document_has_them,
            other("referrals-one-by-one", answer=NOWHERE),
        ),
    ],
)
def test_a_record_with_a_fault_is_found(
    test: Callable[[Operation], None], mutant: Operation
) -> None:
    with pytest.raises(AssertionError):
        test(mutant)
