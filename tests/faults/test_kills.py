"""Kill the loader with -9, anywhere, over a network that is broken, and every row is accounted for.

The short form: each named point once. A hundred kills are in `test_hundred_kills.py`; what must
hold stands in `invariants.py`.
"""

from pathlib import Path

import pytest

from tests.faults.cases import CASES
from tests.faults.oracle import Oracle
from tests.faults.points import IN_FLIGHT, LEDGER_MOVED, POINTS
from tests.faults.rounds import Kill, Round

ROWS = {"profiles": 700, "audiences": 700, "referrals": 700, "sessions": 150}
ROUNDS: dict[str, tuple[Kill, ...]] = {
    "profiles": (
        Kill("manifest half written"),
        Kill("staged half written", 2),
        Kill("staged named", 2),
        Kill("in a transaction", 3),
        Kill("results half written"),
        Kill("all staged"),
    ),
    "audiences": (
        Kill("manifest written"),
        Kill("rejected half written"),
        Kill("rejected written"),
        Kill(IN_FLIGHT, 8),
        Kill("results written"),
        Kill("balanced"),
    ),
    "referrals": (
        Kill("staged written", 3),
        Kill("about to send", 4),
        Kill("answered", 4),
        Kill("results named"),
        Kill("failures half written"),
    ),
    "sessions": (
        Kill("settled", 5),
        Kill(LEDGER_MOVED),
        Kill("doubts withdrawn"),
        Kill("recovered"),
        Kill("failures written"),
    ),
}
"""What is killed in which round, one loader after the other: all in a size that fits."""


@pytest.mark.parametrize("operation", ROUNDS)
def test_killed_at_any_named_point_a_run_ends_as_if_nothing_had_been(
    operation: str, oracle: Oracle, folder: Path
) -> None:
    kills = ROUNDS[operation]
    case = CASES[operation](ROWS[operation], seed=1)
    carried = Round(case=case, oracle=oracle, folder=folder, seed=1).carry(kills)
    assert carried.wrong == []
    assert tuple(carried.killed) == kills


def test_every_named_point_is_in_the_short_form() -> None:
    killed = [kill.point for kills in ROUNDS.values() for kill in kills]
    assert sorted(killed) == sorted(POINTS)
    assert len(killed) >= 15
