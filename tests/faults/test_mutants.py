"""The harness sees the faults that it is for: a round with any of them does not come out clean.

Each mutant breaks one law inside the loader's process (`mutants.py`). The same rounds without a
mutant are clean: that is the slow test, and the reason to believe the others.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.cases import CASES
from tests.faults.mutants import MUTANTS
from tests.faults.oracle import Oracle
from tests.faults.rounds import FINE, LOST, Kill, Round

ROWS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A round in which a mutant shows, and the words by which one knows it."""

    mutant: str
    operation: str
    words: str
    kills: tuple[Kill, ...] = ()
    faults: str = FINE
    rows: int = ROWS


SIGNS = (
    Sign(
        mutant="staged_before_written",
        operation="profiles",
        kills=(Kill("staged named", 2),),
        words="cannot read",
    ),
    Sign(
        mutant="results_before_written",
        operation="audiences",
        kills=(Kill("results named"),),
        words="is gone",
    ),
    # Slow answers and many rows: requests that may overlap do, whatever the machine is busy with.
    Sign(
        mutant="no_lanes",
        operation="profiles",
        faults="latency:100ms",
        rows=1500,
        words="in flight together",
    ),
    Sign(
        mutant="parts_not_compared",
        operation="profiles",
        faults="latency:100ms",
        rows=1500,
        words="in flight together",
    ),
    Sign(
        mutant="fresh_keys",
        operation="sessions",
        faults=LOST,
        words="1 rows are delivered, 2 were applied",
    ),
    Sign(mutant="doubts_sent_again", operation="referrals", faults=LOST, words="codes of"),
    Sign(
        mutant="sending_not_written",
        operation="referrals",
        kills=(Kill("answered", 3),),
        words="codes of",
    ),
    Sign(mutant="results_twice", operation="profiles", words="rows do not add up"),
    Sign(mutant="results_short", operation="profiles", words="results are missing"),
    Sign(mutant="results_on_wrong_rows", operation="audiences", words="has the result of"),
    Sign(
        mutant="batch_lost",
        operation="profiles",
        kills=(Kill("staged named", 2),),
        words="rows do not add up",
    ),
    Sign(
        mutant="sought_too_little",
        operation="sessions",
        kills=(Kill("staged named", 2),),
        words="rows do not add up",
    ),
    Sign(
        mutant="sought_too_far",
        operation="sessions",
        kills=(Kill("staged named", 2),),
        words="rows do not add up",
    ),
    Sign(
        mutant="rejects_sought_past",
        operation="sessions",
        kills=(Kill("staged named", 1),),
        words="rows do not add up",
    ),
    Sign(
        mutant="gathered_sought_past",
        operation="referrals",
        kills=(Kill("staged named", 2),),
        words="results are missing",
    ),
)
EACH = pytest.mark.parametrize("sign", [pytest.param(sign, id=sign.mutant) for sign in SIGNS])


def carried(sign: Sign, oracle: Oracle, folder: Path, *, mutant: str) -> Round:
    """Carry the round of *sign*, with or without its mutant."""
    case = CASES[sign.operation](sign.rows, seed=3)
    made = Round(case=case, oracle=oracle, folder=folder, faults=sign.faults, mutant=mutant, seed=5)
    return made.carry(sign.kills)


@EACH
def test_a_mutant_is_seen(sign: Sign, oracle: Oracle, folder: Path) -> None:
    wrong = carried(sign, oracle, folder, mutant=sign.mutant).wrong
    assert any(sign.words in sentence for sentence in wrong), wrong


@pytest.mark.slow
@EACH
def test_without_its_mutant_a_round_is_clean(sign: Sign, oracle: Oracle, folder: Path) -> None:
    clean = carried(sign, oracle, folder, mutant="")
    assert clean.wrong == []
    assert tuple(clean.killed) == sign.kills


def test_every_mutant_is_tried() -> None:
    assert {sign.mutant for sign in SIGNS} == set(MUTANTS)
