"""A hundred kills, in one command (`make faults`): points, passages, accounts and files are drawn.

Twelve tests of nine kills; what the API does not document is another in each. The short form, with
every point in it, is `test_kills.py`.
"""

import random
from pathlib import Path

import pytest

from pipeline.sandbox.embedded import Embedded
from tests.faults.cases import CASES, account
from tests.faults.oracle import Oracle
from tests.faults.points import POINTS
from tests.faults.rounds import Kill, Round

ROWS = {"sessions": 300, "inventories": 300}
ROWS_IN_BULK = 1200
SEEDS, KILLS, ROUNDS_MAX, KILLS_IN_A_ROUND = range(12), 9, 12, 5
PASSAGES_MAX = 5
ONCE = ("all staged", "doubts", "recovered", "balanced", "failures", "manifest")
"""How the points begin that a loader passes once, most of them at its end."""
SWITCHES = {
    "pointers": ("indexed", "relative", "none"),
    "errors-listed": ("all", "first"),
    "bulk-refusal": ("whole", "partial"),
    "key-errors": ("forget", "keep"),
    "key-reuse": ("422", "400"),
}


def drawn(chance: random.Random) -> Kill:
    point = chance.choice(POINTS)
    return Kill(point, 1 if point.startswith(ONCE) else chance.randint(1, PASSAGES_MAX))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_kills(seed: int, tmp_path: Path) -> None:
    """A loader may come to its end before the point at which it was to die: it is not counted."""
    chance, killed = random.Random(seed), 0
    operation = list(CASES)[seed % len(CASES)]
    options = {name: chance.choice(values) for name, values in SWITCHES.items()}
    with Embedded(options=account(tmp_path) | options) as sandbox:
        oracle = Oracle(sandbox.base_url, sandbox.api_key)
        for number in range(ROUNDS_MAX):
            case = CASES[operation](ROWS.get(operation, ROWS_IN_BULK), chance.randrange(1000))
            (folder := tmp_path / str(number)).mkdir()
            kills = [drawn(chance) for _ in range(min(KILLS - killed, KILLS_IN_A_ROUND))]
            carried = Round(case=case, oracle=oracle, folder=folder, seed=seed + number)
            assert carried.carry(kills).wrong == []
            killed += len(carried.killed)
            if killed == KILLS:
                return
    raise AssertionError(f"only {killed} loaders got to where they were to die")
