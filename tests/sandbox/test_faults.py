"""Faults: the language, the draws, and what a client sees of each."""

import contextlib
import http.client
import socket
from collections import Counter
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sandbox.embedded import Embedded
from pipeline.sandbox.fault_language import UnreadableFaultError, parse
from pipeline.sandbox.faults import DELAY_MAX_S, Decision, Plan
from pipeline.sandbox.operations import NAMES
from tests.sandbox.door import NOW, Door, profiles

BULK = "/v2/customer_profiles?silent=no"
BROKEN = (OSError, http.client.HTTPException)


def plan(text: str, seed: int = 0) -> Plan:
    return parse(text, NAMES, seed)


def draws(text: str, count: int, operation: str = "updateCustomerProfilesV2") -> list[Decision]:
    made = plan(text)
    return [made.draw(operation, NOW + number) for number in range(count)]


def struck(text: str, count: int) -> list[int]:
    """Return the numbers, from 1, of the requests that a fault struck."""
    return [number for number, one in enumerate(draws(text, count), 1) if one.fault]


def test_the_example_of_the_language_can_be_read() -> None:
    text = (
        "429:5% on profiles retry-after=2; cut-after:1%; latency:lognormal(80ms, 0.5); "
        "rate:300/s; brown-out from=1000 for=200"
    )
    assert [rule.share for rule in plan(text).rules] == [0.05, 0.01, 1.0, 1.0, 1.0]
    assert plan("").rules == plan(" ; ").rules == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("4299", "'4299' is no fault"),
        ("200:5%", "'200' is no fault"),
        ("429:5", "'5' is no share"),
        ("429:101%", "'101%' is no share"),
        ("429:nan%", "'nan%' is no share"),
        ("429:-1%", "'-1%' is no share"),
        ("500 on profile", "no operation 'profile'; there are updateCustomerProfilesV2"),
        ("500 on", "no operation ''"),
        ("500 often", "'often' is not understood"),
        ("500 from=0", "'from=0' is not understood"),
        ("500 retry-after=soon", "'retry-after=soon' is not understood"),
        ("latency", "'' is no time"),
        ("latency:80", "'80' is no time"),
        ("latency:uniform(1ms)", "'uniform(1ms)' is no time"),
        ("latency:normal(1ms,2ms)", "'normal(1ms,2ms)' is no time"),
        ("latency:lognormal(1ms,x)", "'lognormal(1ms,x)' is no time"),
        ("rate:fast", "'fast' is no rate"),
        ("rate:0/s", "'0/s' is no rate"),
        (":5%", "'' is no fault"),
        ("truncate before", "half an answer needs a request that was applied"),
    ],
)
def test_a_fault_that_cannot_be_read_is_named_with_its_word(text: str, why: str) -> None:
    with pytest.raises(UnreadableFaultError) as error:
        plan(f"latency:1ms; {text}")
    assert f"fault {text!r}: " in str(error.value)
    assert why in str(error.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(UnreadableFaultError):  # anything else is ours
        plan(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500 from=3 for=2", [3, 4]),
        ("500 every=3", [1, 4, 7, 10]),
        ("500 from=2 every=4 times=2", [2, 6]),
        ("500 times=1", [1]),
        ("500:0%", []),
        ("500 on audiences", []),
        ("500 on audiences, profiles for=1", [1]),
        ("brown-out from=9 for=200", [9, 10]),
    ],
)
def test_where_and_when_a_fault_strikes(text: str, expected: list[int]) -> None:
    assert struck(text, 10) == expected


def test_a_share_is_kept_and_the_same_seed_draws_the_same() -> None:
    first, second, other = plan("500:30%", 1), plan("500:30%", 1), plan("500:30%", 2)
    drawn = [[bool(p.draw("x", NOW).fault) for _ in range(2000)] for p in (first, second, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 500 < sum(drawn[0]) < 700
    assert first.struck(first.rules[0]) == sum(drawn[0])


def test_two_rules_draw_apart_and_the_first_that_strikes_wins() -> None:
    drawn = Counter(
        one.answer.status for one in draws("500:50%; 503:50%", 2000) if one.answer is not None
    )
    assert 900 < drawn[500] < 1100
    assert 400 < drawn[503] < 600


def test_a_rate_strikes_what_is_beyond_it_in_each_second() -> None:
    made = plan("rate:3/s")
    second = [bool(made.draw("x", NOW + number / 10).fault) for number in range(10)]
    assert second == [False] * 3 + [True] * 7
    assert not made.draw("x", NOW + 1.0).fault
    assert made.draw("x", NOW + 1.0).answer is not None or made.draw("x", NOW + 1.05).fault == ""


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("latency:80ms", 0.08, 0.08),
        ("latency:1.5s", 1.5, 1.5),
        ("latency:10ms; latency:5ms", 0.015, 0.015),
        ("latency:uniform(10ms,50ms)", 0.01, 0.05),
        ("latency:exponential(50ms)", 0.0, 5.0),
        ("latency:lognormal(80ms,0.5)", 0.001, 5.0),
        ("latency:9999s", DELAY_MAX_S, DELAY_MAX_S),
    ],
)
def test_latencies_are_drawn_from_what_is_named(text: str, least: float, most: float) -> None:
    waits = [one.delay_s for one in draws(text, 300)]
    assert all(least <= wait <= most + 1e-9 for wait in waits)
    if "(" in text:
        assert len(set(waits)) > 250


def test_the_median_of_lognormal_is_its_first_word() -> None:
    waits = sorted(one.delay_s for one in draws("latency:lognormal(80ms,0.5)", 1001))
    assert 0.07 < waits[500] < 0.09


def applied(door: Door) -> int:
    counts = door.state()["operations"].get("updateCustomerProfilesV2", {})
    return int(counts.get("applied", 0))


@pytest.mark.parametrize(
    ("text", "status", "count"),
    [
        ("429", 429, 0),
        ("503", 503, 0),
        ("500 after", 500, 1),
        ("404", 404, 0),
        ("html", 200, 0),
        ("html after", 200, 1),
        ("empty", 200, 0),
    ],
)
def test_a_status_comes_before_or_after_the_request_is_applied(
    door: Door, text: str, status: int, count: int
) -> None:
    door.faults(text)
    reply = door.ask("PUT", BULK, profiles("A"))
    assert (reply.status, applied(door)) == (status, count)
    if text == "html":
        assert reply.headers["content-type"] == "text/html"
    if text == "empty":
        assert reply.body is None
    if status >= 400:
        assert reply.body["StatusCode"] == status
    (seen,) = door.ask("GET", "/_sandbox/requests").body["requests"]
    assert (seen["status"], seen["applied"], seen["fault"]) == (status, bool(count), text)


@pytest.mark.parametrize(
    ("text", "count"), [("cut", 0), ("cut-before", 0), ("cut-after", 1), ("truncate", 1)]
)
def test_a_cut_leaves_the_client_without_an_answer(door: Door, text: str, count: int) -> None:
    door.faults(f"{text} times=1")
    with pytest.raises(BROKEN):
        door.ask("PUT", BULK, profiles("A"))
    assert applied(door) == count
    assert door.ask("PUT", BULK, profiles("A")).status == 200


def test_after_a_cut_an_idempotency_key_gets_the_answer_that_was_lost(door: Door) -> None:
    door.faults("cut-after times=1")
    with pytest.raises(BROKEN):
        door.ask("PUT", BULK, profiles("A"), Idempotency_Key="k1")
    assert door.ask("PUT", BULK, profiles("A"), Idempotency_Key="k1").status == 200
    assert applied(door) == 1
    assert door.state()["idempotency"] == {"stored": 1, "replays": 1, "conflicts": 0}


def test_retry_after_is_told_in_seconds_or_as_a_date(door: Door) -> None:
    door.faults("429 retry-after=7 times=1; 503 retry-after=date+7")
    assert door.ask("PUT", BULK, profiles("A")).headers["retry-after"] == "7"
    reply = door.ask("PUT", BULK, profiles("A"))
    named = parsedate_to_datetime(reply.headers["retry-after"])
    ahead = named - parsedate_to_datetime(reply.headers["date"])
    assert 5 <= ahead.total_seconds() <= 8


def test_a_slow_answer_comes_whole(door: Door) -> None:
    door.faults("slow-answer:100ms")
    assert door.ask("PUT", BULK, profiles("A")).body["integrationStates"]


def test_faults_are_set_while_it_runs_and_a_wrong_one_changes_nothing(door: Door) -> None:
    door.faults("500 times=1", seed=3)
    assert door.ask("PUT", BULK, profiles("A")).status == 500
    reply = door.ask("POST", "/_sandbox/faults", b"tea")
    assert (reply.status, "'tea' is no fault" in reply.body["message"]) == (400, True)
    told = door.ask("GET", "/_sandbox/faults").body
    assert told == {"rules": [{"fault": "500 times=1", "struck": 1}], "seed": 3}


def test_faults_at_the_start_hold_for_the_operations_they_name(
    start: Callable[..., Embedded], open_door: Callable[[Embedded], Door]
) -> None:
    door = open_door(start(faults="503 on profiles", seed=1))
    assert door.ask("PUT", BULK, profiles("A")).status == 503
    assert door.ask("POST", "/v2/customer_audiences", {"data": []}).status == 204


def test_a_body_shorter_than_its_length_is_dropped(sandbox: Embedded, door: Door) -> None:
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    body = b'{"customerProfiles":[{"integrationId":"A"}]}'
    head = (
        f"PUT /v2/customer_profiles HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: ApiKey-v1 {sandbox.api_key}\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1000) == b""
    state = door.state()
    assert (state["dropped"], state["requests"], state["entities"]["profiles"]) == (1, 0, 0)
