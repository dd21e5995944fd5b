"""What tests of the operations say to a `Desk`, and what an answer must look like."""

from typing import Any

from pipeline.sandbox import document
from tests.sandbox.door import Desk, Reply

ADVOCATES = "/v1/referrals_for_multiple_advocates?silent=no"
CART = [{"sku": "S", "name": "shoe", "quantity": 2, "price": 9.5, "attributes": {"Colour": "red"}}]
EVERYTHING = [
    "customerSession",
    "customerProfile",
    "coupons",
    "triggeredCampaigns",
    "referral",
    "loyalty",
    "event",
    "awardedGiveaways",
    "ruleFailureReasons",
    "previousReturns",
    "campaignEligibility",
    "achievements",
]


def lenient(schema: Any) -> Any:
    """Return *schema* with `anyOf` for `oneOf`: the shapes of effects overlap in the document."""
    if isinstance(schema, list):
        return [lenient(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {"anyOf" if key == "oneOf" else key: lenient(one) for key, one in schema.items()}


def documented(operation: str, reply: Reply) -> Reply:
    """Return *reply* if it is what the document says *operation* may answer."""
    assert str(reply.status) in document.operations()[operation]["responses"], reply
    schema = document.answer_schema(operation, reply.status)
    if reply.status == 204 or schema is None:
        assert reply.body is None
    else:
        whole = {"components": document._components(), **schema}
        checker = document.jsonschema_rs.Draft202012Validator(lenient(whole), validate_formats=True)
        assert [error.message for error in checker.iter_errors(reply.body)] == []
    return reply


def session(desk: Desk, *, query: str = "", content: object = (), **wish: object) -> Reply:
    body = {"customerSession": wish, "responseContent": list(content)}
    return documented(
        "updateCustomerSessionV2", desk.ask("PUT", f"/v2/customer_sessions/s%201{query}", body)
    )


def refer(desk: Desk, *advocates: str, **more: object) -> Reply:
    body = {"campaignId": 45, "usageLimit": 1, "advocateProfileIntegrationIds": advocates, **more}
    reply = desk.ask("POST", ADVOCATES, body)
    return documented("createReferralsForMultipleAdvocates", reply)


def inventory(desk: Desk, profile: str, *flags: str) -> Reply:
    query = "&".join(f"{flag}=true" for flag in flags)
    path = f"/v1/customer_profiles/{profile}/inventory?{query}"
    return documented("getCustomerInventory", desk.ask("GET", path))


def catalog(desk: Desk, *actions: tuple[str, dict[str, Any]]) -> Reply:
    body = {"actions": [{"type": kind, "payload": wish} for kind, wish in actions]}
    return documented("syncCatalog", desk.ask("PUT", "/v1/catalogs/7/sync", body))


def articles(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = desk.engine.store.catalogs["7"]["items"]
    return found
