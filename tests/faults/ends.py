"""What the account must hold in the end, by operation: the state of one delivery, in file order.

For the operations that are harmless to repeat. Compares the source with what the sandbox shows;
never looks at how often anything was applied.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.faults.cases import DELIVERED, RESERVED_FOR_OTHERS, Case
from tests.faults.oracle import Oracle

State = dict[str, Any]
SHOWN = 5


def differences(case: Case, oracle: Oracle, results: list[dict[str, Any]]) -> Iterator[str]:
    """Yield where the account, or what was read of it, is not as the file of *case* says."""
    expected, held = ENDS[case.operation](case, oracle, results)
    wrong = sorted(
        key for key in held.keys() | expected.keys() if held.get(key) != expected.get(key)
    )
    for key in wrong[:SHOWN]:
        yield f"{key}: the account holds {held.get(key)}, the file says {expected.get(key)}"


def _last(case: Case, oracle: Oracle, _: list[dict[str, Any]]) -> tuple[State, State]:
    """Each profile has the number of its last row."""
    expected = {case.keyed(row): row for row in case.good()}
    held = oracle.held("profiles")
    return expected, {one["integrationId"]: one["attributes"].get("Seq") for one in held}


def _members(case: Case, oracle: Oracle, _: list[dict[str, Any]]) -> tuple[State, State]:
    """Each profile is in the audiences that it was added to last, and in no other."""
    last = {mark[:2]: mark[2] for mark, _, status in case.lines if status is DELIVERED}
    expected: State = defaultdict(set)
    for (key, audience), action in last.items():
        if action == "add":
            expected[key].add(int(audience))
    held = {
        one["integrationId"]: {membership["id"] for membership in one["audienceMemberships"]}
        for one in oracle.held("profiles")
    }
    return dict(expected), {key: audiences for key, audiences in held.items() if audiences}


def _released(case: Case, oracle: Oracle, _: list[dict[str, Any]]) -> tuple[State, State]:
    """Each coupon is reserved for those alone who are not in the file."""
    expected = {coupon: len(RESERVED_FOR_OTHERS) for coupon, _ in (m for m, _, _ in case.lines)}
    held = {one["value"]: one["reservationCounter"] for one in oracle.held("coupons")}
    return {coupon: count for coupon, count in expected.items() if coupon in held}, held


def _read(case: Case, oracle: Oracle, results: list[dict[str, Any]]) -> tuple[State, State]:
    """Each row has been told what the account holds of its customer."""
    held = {one["integrationId"]: one["attributes"] for one in oracle.held("profiles")}
    told = {
        result["row"]: json.loads(result["profile"]["attributes"])
        for result in results
        if result["status"] == DELIVERED
    }
    return {row: held[case.keyed(row)] for row in case.good()}, told


ENDS: Mapping[str, Callable[[Case, Oracle, list[dict[str, Any]]], tuple[State, State]]] = {
    "profiles": _last,
    "audiences": _members,
    "coupon-reservation-removals": _released,
    "inventories": _read,
}
