"""A hundred kills, in one command (`make faults`): points, passages and accounts are drawn.

Ten rounds of ten kills; what the API does not document is another in each. The short form, with
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

ROWS = {"profiles": 3000, "audiences": 3000, "referrals": 3000, "sessions": 600}
SEEDS, KILLS = range(10), 10
PASSAGES_MAX = 12
LOADERS_MAX = 40
"""Some of the loaders come to their end before the point at which they were to die."""
SWITCHES = {
    "pointers": ("indexed", "relative", "none"),
    "errors-listed": ("all", "first"),
    "bulk-refusal": ("whole", "partial"),
    "key-errors": ("forget", "keep"),
    "key-reuse": ("422", "400"),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_kills(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    operation = list(CASES)[seed % len(CASES)]
    case = CASES[operation](ROWS[operation], seed)
    options = {name: chance.choice(values) for name, values in SWITCHES.items()}
    kills = (
        Kill(chance.choice(POINTS), chance.randint(1, PASSAGES_MAX)) for _ in range(LOADERS_MAX)
    )
    with Embedded(options=account(tmp_path) | options) as sandbox:
        oracle = Oracle(sandbox.base_url, sandbox.api_key)
        carried = Round(case=case, oracle=oracle, folder=tmp_path, seed=seed)
        carried.carry(kills, kills_max=KILLS)
    assert carried.wrong == []
    assert len(carried.killed) == KILLS
