"""Each switch does what it says, against its default; and the table is what the command shows."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from pipeline.cli.sandbox import sandbox as command
from pipeline.sandbox.switches import SWITCHES, Switches
from tests.sandbox.door import Desk, Reply, profiles

BULK = "/v2/customer_profiles"
REFERRALS = "/v1/referrals_for_multiple_advocates"


def bad_rows(desk: Desk) -> Reply:
    rows = [{"integrationId": "A"}, {"integrationId": 1}, {"integrationId": "B"}, {}]
    return desk.ask("PUT", BULK, {"customerProfiles": rows})


def held(desk: Desk) -> list[str]:
    return list(desk.engine.store.profiles)


def refer(desk: Desk, *ids: str, **more: object) -> Reply:
    body = {"campaignId": 45, "advocateProfileIntegrationIds": ids, "usageLimit": 0, **more}
    return desk.ask("POST", REFERRALS, body)


def test_bulk_refusal() -> None:
    whole, partial = Desk(), Desk(bulk_refusal="partial")
    answers = [bad_rows(desk) for desk in (whole, partial)]
    assert [answer.status for answer in answers] == [400, 400]
    assert answers[0].body == answers[1].body
    assert (held(whole), held(partial)) == ([], ["A", "B"])
    assert partial.engine.tally.operations["updateCustomerProfilesV2"]["rows"] == 2
    reply = partial.ask("PUT", BULK, {"customerProfiles": {}})  # wrong as a whole: no neighbours
    assert (reply.status, held(partial)) == (400, ["A", "B"])
    assert refer(partial, "C", "").status == 400
    assert held(partial) == ["A", "B", "C"]


def test_partial_refusal_leaves_out_every_bad_row_whatever_is_bad_about_it() -> None:
    desk = Desk(bulk_refusal="partial", strict="yes")
    rows = [
        {"integrationId": 1},
        {"integrationId": "unknown", "attributes": {"Hat": 1}},
        {"integrationId": ""},
        {"integrationId": "good"},
    ]
    reply = desk.ask("PUT", BULK, {"customerProfiles": rows})
    assert reply.titles == ["Invalid type", "minLength", "Unknown"]
    assert held(desk) == ["good"]
    assert desk.ask("PUT", BULK, {"customerProfiles": rows[:1]}).status == 400
    assert desk.engine.tally.operations["updateCustomerProfilesV2"]["rows"] == 1


def test_pointers() -> None:
    indexed = ["/customerProfiles/1/integrationId", "/customerProfiles/3/integrationId"]
    assert bad_rows(Desk()).pointers == indexed
    assert bad_rows(Desk(pointers="relative")).pointers == ["/integrationId"] * 2
    assert bad_rows(Desk(pointers="none")).pointers == [None, None]


def test_errors_listed() -> None:
    assert len(bad_rows(Desk(errors_listed="first")).titles) == 1


def test_too_many() -> None:
    many = profiles(*map(str, range(1001)))
    assert Desk(too_many="413").ask("PUT", BULK, many).status == 413


@pytest.mark.parametrize(
    ("method", "path", "body", "good"),
    [
        ("PUT", BULK, profiles("A", "B", "A"), True),
        (
            "POST",
            REFERRALS,
            {"campaignId": 1, "usageLimit": 0, "advocateProfileIntegrationIds": ["A", "A"]},
            True,
        ),
        ("POST", "/v1/coupon_reservations/CODE", {"integrationIDs": ["A", "A"]}, True),
        (
            "POST",
            "/v2/customer_audiences",
            {"data": [{"action": "add", "profileIntegrationId": "A", "audienceId": 1}] * 2},
            True,
        ),
        (
            "POST",
            "/v2/customer_audiences",
            {
                "data": [
                    {"action": "add", "profileIntegrationId": "A", "audienceId": audience}
                    for audience in (1, 2)
                ]
            },
            False,
        ),
    ],
)
def test_duplicates(method: str, path: str, body: object, good: bool) -> None:
    assert Desk().ask(method, path, body).status in {201, 204}
    reply = Desk(duplicates="refuse").ask(method, path, body)
    assert (reply.status == 400) is good


def test_the_last_of_two_rows_with_one_key_wins() -> None:
    desk = Desk()
    rows = [{"integrationId": "A", "attributes": {"n": number}} for number in (1, 2)]
    assert desk.ask("PUT", BULK, {"customerProfiles": rows}).status == 204
    assert desk.engine.store.profiles["A"].attributes == {"n": 2}


def test_unknown_profiles() -> None:
    desk = Desk(unknown_profiles="refuse")
    desk.ask("PUT", BULK, profiles("A"))
    for ids, coupon, referral in ((["A"], 201, 204), (["A", "B"], 404, 400)):
        path, body = "/v1/coupon_reservations/CODE", {"integrationIDs": ids}
        assert desk.ask("POST", path, body).status == coupon
        assert refer(desk, *ids).status == referral
    assert held(desk) == ["A"]


def test_merge() -> None:
    desk = Desk(merge="replace")
    for attributes in ({"a": 1}, {"b": 2}):
        desk.ask("PUT", BULK, profiles("A", **attributes))
    assert desk.engine.store.profiles["A"].attributes == {"b": 2}


def test_silent() -> None:
    for default, expected in (("yes", 204), ("no", 200)):
        desk = Desk(silent=default)
        assert desk.ask("PUT", BULK, profiles("A")).status == expected
        assert desk.ask("PUT", f"{BULK}?silent=yes", profiles("A")).status == 204
        assert desk.ask("PUT", f"{BULK}?silent=no", profiles("A")).status == 200


def test_second_erasure() -> None:
    for value, expected in (("204", [204, 204, 204]), ("404", [204, 404, 204])):
        desk = Desk(second_erasure=value)
        desk.ask("PUT", BULK, profiles("A", a=1))
        statuses = [desk.ask("DELETE", "/v1/customer_data/A").status for _ in range(2)]
        desk.ask("PUT", BULK, profiles("A", a=1))
        statuses.append(desk.ask("DELETE", "/v1/customer_data/A").status)
        assert statuses == expected


def test_v1() -> None:
    found = [
        Desk(v1=value).engine.router.find("POST", "/v1/events") for value in ("served", "gone")
    ]
    assert found[0][0] is not None
    assert found[1] == (None, [])


def test_late_updates() -> None:
    desk, path = Desk(late_updates="ignore"), "/v2/customer_sessions/s"
    for city in ("Berlin", "Oslo"):
        wish = {"state": "closed", "attributes": {"City": city}}
        assert desk.ask("PUT", path, {"customerSession": wish}).status == 200
    held_session = desk.engine.store.sessions["s"]
    assert (held_session["attributes"], held_session["updateCount"]) == ({"City": "Berlin"}, 1)


def test_usage_limit() -> None:
    body = {"campaignId": 1, "advocateProfileIntegrationIds": ["A"]}
    assert Desk().ask("POST", REFERRALS, body).status == 400
    assert Desk(usage_limit="optional").ask("POST", REFERRALS, body).status == 204


def test_bearer() -> None:
    body: dict[str, object] = {"data": []}
    for value, expected in (("refused", 401), ("accepted", 204)):
        desk = Desk(bearer=value)
        path = "/v2/customer_audiences"
        assert desk.ask("POST", path, body, authorization="Bearer k").status == expected
        assert desk.ask("PUT", BULK, profiles("A"), authorization="Bearer k").status == 401


def audience(desk: Desk) -> Reply:
    rows = [{"action": "add", "profileIntegrationId": "A", "audienceId": 7}]
    return desk.ask("POST", "/v2/customer_audiences", {"data": rows})


def join(desk: Desk) -> Reply:
    changes = {"audiencesChanges": {"adds": [7], "deletes": []}}
    return desk.ask("PUT", "/v2/customer_profiles/A", changes)


def reserve(desk: Desk) -> Reply:
    return desk.ask("POST", "/v1/coupon_reservations/CODE7", {"integrationIDs": ["A"]})


def event(desk: Desk) -> Reply:
    return desk.ask("POST", "/v2/events", {"type": "viewed", "profileId": "A"})


@pytest.mark.parametrize(
    ("switch", "listed", "ask", "refused"),
    [
        ("audiences", "7, 8", audience, 404),
        ("audiences", "7", join, 400),
        ("campaigns", "45", lambda desk: refer(desk, "A"), 400),
        ("coupons", "CODE7", reserve, 404),
        ("event_types", "viewed", event, 400),
    ],
)
def test_what_the_account_has(
    switch: str, listed: str, ask: Callable[[Desk], Reply], refused: int
) -> None:
    assert ask(Desk()).status < 300
    assert ask(Desk(**{switch: listed})).status < 300
    desk = Desk(**{switch: "other"})
    assert ask(desk).status == refused
    assert held(desk) == []


def test_requests_kept() -> None:
    with pytest.raises(ValueError, match="requests-kept"):
        Desk(requests_kept="many")


def test_an_unknown_switch_and_an_unknown_value_are_named() -> None:
    with pytest.raises(ValueError, match=r"no switch 'nul'.*null"):
        Switches({"nul": "unset"})
    with pytest.raises(ValueError, match=r"null: 'drop' is none of unset, keep, refuse"):
        Switches({"null": "drop"})


def test_the_help_of_the_command_names_every_switch_and_its_default() -> None:
    shown = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    for switch in SWITCHES:
        assert f"--{switch.name} " in shown
        assert " ".join(switch.says.split()) in shown
        assert f"[default: ({switch.default})]" in shown or not switch.default
