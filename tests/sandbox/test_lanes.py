"""Three requests per profile or session: one runs, two wait, the next gets 409 (API.md §2.7)."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import anyio
import pytest

from pipeline.sandbox.embedded import Embedded
from pipeline.sandbox.lanes import LaneFull, Lanes, Overlaps
from pipeline.sandbox.operations import OPERATIONS
from tests.sandbox.crowd import at_once
from tests.sandbox.door import Door, profiles

LANED = {  # of the official prose, V3's documented 409, and the V1 forms
    "updateCustomerProfileV2",
    "updateCustomerSessionV2",
    "trackEventV2",
    "trackEventV3",
    "trackEvent",
    "updateCustomerProfile",
    "updateCustomerSession",
}
SLOW = "latency:250ms"  # long enough for five connections to send on a busy machine


def test_the_table_marks_the_operations_that_have_lanes() -> None:
    assert {one.name for one in OPERATIONS if one.lanes} == LANED


@pytest.mark.parametrize(
    ("path", "body", "who"),
    [
        ("/v2/customer_profiles/A", {}, "profile"),
        ("/v2/customer_sessions/s", {"customerSession": {}}, "session"),
    ],
)
def test_the_fourth_at_once_is_refused(
    sandbox: Embedded, door: Door, path: str, body: object, who: str
) -> None:
    door.faults(SLOW)
    replies = at_once(sandbox, [("PUT", path, body)] * 5)
    assert sorted(reply.status for reply in replies) == [200, 200, 200, 409, 409]
    refused = next(reply for reply in replies if reply.status == 409)
    assert refused.body == {
        "message": f"Too many requests are updating this {who} at the same time",
        "errors": [],
        "StatusCode": 409,
    }
    assert door.ask("PUT", path, body).status == 200  # the lane is free again
    state = door.state()
    assert state["overlaps"] == {"max": 4, "keys": {f"{who}:{path[-1]}": 4}}
    assert state["in_flight"] == {"now": 0, "max": 4}


def test_sessions_of_one_profile_share_its_lane(sandbox: Embedded, door: Door) -> None:
    door.faults(SLOW)
    body = {"customerSession": {"profileId": "A"}}
    replies = at_once(sandbox, [("PUT", f"/v2/customer_sessions/{n}", body) for n in range(4)])
    assert sorted(reply.status for reply in replies) == [200, 200, 200, 409]


def test_other_keys_do_not_wait(sandbox: Embedded, door: Door) -> None:
    door.faults(SLOW)
    replies = at_once(sandbox, [("PUT", f"/v2/customer_profiles/{n}", {}) for n in range(8)])
    assert [reply.status for reply in replies] == [200] * 8
    assert door.state()["overlaps"]["max"] == 1


def test_bulk_updates_have_no_lane_but_their_overlap_is_seen(sandbox: Embedded, door: Door) -> None:
    door.faults(SLOW)
    bodies = [profiles("A", "A", "B"), profiles("A"), profiles("C"), profiles("A"), profiles("A")]
    replies = at_once(sandbox, [("PUT", "/v2/customer_profiles", body) for body in bodies])
    assert [reply.status for reply in replies] == [204] * 5
    assert door.state()["overlaps"] == {"max": 4, "keys": {"profile:A": 4}}


def test_requests_of_a_lane_are_applied_in_the_order_they_came(
    sandbox: Embedded, open_door: Callable[[Embedded], Door]
) -> None:
    doors = [open_door(sandbox) for _ in range(3)]
    doors[0].faults("latency:80ms")
    replies = at_once(
        sandbox,
        [("PUT", "/v2/customer_profiles/A", {"attributes": {"n": n}}) for n in range(3)],
    )
    assert [reply.status for reply in replies] == [200] * 3
    (applied,) = doors[0].lines("/_sandbox/applied?kind=profile&key=A")
    assert applied["requests"] == sorted(applied["requests"])


@pytest.mark.anyio
async def test_a_lane_with_two_keys_cannot_wait_in_a_ring() -> None:
    lanes, order = Lanes(), list[str]()

    async def pass_through(name: str, keys: list[str]) -> None:
        async with lanes.turn(keys):
            await anyio.lowlevel.checkpoint()
            order.append(name)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pass_through, "a", ["session:s", "profile:p"])
            tasks.start_soon(pass_through, "b", ["profile:p", "session:s"])
    assert order == ["a", "b"]


@pytest.mark.anyio
async def test_one_of_a_lane_is_worked_on_at_a_time() -> None:
    lanes, at_work, most = Lanes(), 0, 0

    async def work() -> None:
        nonlocal at_work, most
        async with lanes.turn(["profile:p"]):
            at_work += 1
            most = max(most, at_work)
            await anyio.lowlevel.checkpoint()
            at_work -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(work)
    assert most == 1


@pytest.mark.anyio
async def test_a_lane_is_full_at_three_and_leaves_nothing_behind() -> None:
    lanes = Lanes()
    done = anyio.Event()

    async def stay(started: anyio.Event) -> None:
        started.set()
        async with lanes.turn(["profile:p", "coupon:c"]):
            await done.wait()

    async with anyio.create_task_group() as tasks, AsyncExitStack() as left:
        left.callback(done.set)
        for _ in range(3):
            started = anyio.Event()
            tasks.start_soon(stay, started)
            await started.wait()
        with pytest.raises(LaneFull), anyio.fail_after(1):
            async with lanes.turn(["profile:p"]):
                pass
        async with lanes.turn(["coupon:c"]):  # only profiles and sessions have lanes
            pass
    assert (lanes._counts, lanes._locks) == ({}, {})


def test_overlaps_name_the_worst_and_forget_the_rest() -> None:
    overlaps = Overlaps()
    with overlaps.watch(["a", "b"]), overlaps.watch(["a", "a"]), overlaps.watch(["a"]):
        assert overlaps.now == 3
    assert overlaps.worst == {"a": 3}
    assert (overlaps.now, overlaps.now_max, overlaps._in_flight) == (0, 3, {})
