"""What the official document says of a place in a request body; and the V1 bodies by API.md §3.

Reads the reduced document that the repository has. Knows nothing of records.
"""

from collections.abc import Iterator
from typing import Any

from pipeline.sandbox import document

Schema = dict[str, Any]

MADE_OF = ("allOf", "oneOf", "anyOf")
TEXT, NUMBER, FREE = {"type": "string"}, {"type": "number"}, {"type": "object"}
STRINGS = {"type": "array", "items": TEXT}
CART_V1 = {
    "type": "object",
    "required": ["name", "sku", "quantity", "price"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "sku": {"type": "string", "minLength": 1},
        "quantity": {"type": "integer", "minimum": 1},
        "price": NUMBER,
        "category": TEXT,
        "attributes": FREE,
        **dict.fromkeys(("weight", "height", "width", "length", "position"), NUMBER),
    },
}
V1: dict[str, Schema] = {
    "trackEvent": {  # §3.8
        "type": "object",
        "required": ["type", "attributes", "sessionId"],
        "additionalProperties": False,
        "properties": {
            "type": {"type": "string", "minLength": 1},
            "attributes": FREE,
            "sessionId": {"type": "string", "minLength": 1},
            "profileId": TEXT,
            "storeIntegrationId": {"type": "string", "minLength": 1, "maxLength": 1000},
        },
    },
    "updateCustomerProfile": {  # §3.9
        "type": "object",
        "additionalProperties": False,
        "properties": {"attributes": FREE},
    },
    "updateCustomerSession": {  # §3.13
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "profileId": TEXT,
            "coupon": {"type": "string", "maxLength": 100},
            "referral": {"type": "string", "maxLength": 100},
            "state": {"type": "string", "enum": ["open", "closed", "cancelled"]},
            "cartItems": {"type": "array", "items": CART_V1},
            "identifiers": STRINGS,
            "total": NUMBER,
            "attributes": FREE,
        },
    },
}


def body_of(operation_id: str) -> Schema | None:
    """The schema of the body of an operation, V1's too; None where it takes none."""
    return V1.get(operation_id) or document.body_schema(operation_id)


def parts(schema: Schema) -> Iterator[Schema]:
    """*schema* and all that it is made of: references followed, `allOf` and `oneOf` opened."""
    schema = document._resolved(schema) | {k: v for k, v in schema.items() if k != "$ref"}
    yield schema
    for kind in MADE_OF:
        for part in schema.get(kind, ()):
            yield from parts(part)


def at(schema: Schema, path: tuple[str, ...]) -> list[Schema]:
    """All schemas that the document has for the value at *path*; lists are walked through."""
    if not path:
        return list(parts(schema))
    found = []
    for part in parts(schema):
        if "items" in part:
            found += at(part["items"], path)
        if path[0] in part.get("properties", {}):
            found += at(part["properties"][path[0]], path[1:])
        elif isinstance(part.get("additionalProperties"), dict):
            found += at(part["additionalProperties"], path[1:])
        elif part.get("type") == "object" and not part.keys() & {"properties", *MADE_OF}:
            found += [{}]  # free-form: attributes
    return found


def properties(schema: Schema) -> set[str]:
    """The names that an object of *schema* may have."""
    return {name for part in parts(schema) for name in part.get("properties", {})}


def required(schema: Schema) -> set[str]:
    """The names that an object of *schema* must have."""
    return {name for part in parts(schema) for name in part.get("required", ())}


def stated(schemas: list[Schema], keyword: str) -> Any:
    """What *schemas* say under *keyword*, or None."""
    return next((part[keyword] for part in schemas if keyword in part), None)
