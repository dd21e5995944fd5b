"""Only what ran side by side is compared; who fails, falls out."""

import pytest

from tests.benchmarks import table
from tests.benchmarks.measure import Entrant, Measured, Pair, ProgramFailed, race


class Course:
    """Entrants that only note when they run; each is quicker by one row/s each time."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.failures: dict[str, str] = {}

    def entrant(self, name: str, *, falls_at: int | None = None) -> Entrant:
        def run() -> Measured:
            self.order.append(name)
            times = self.order.count(name)
            if times == falls_at:
                raise ProgramFailed("fell")
            return Measured(rows=times, seconds=1, cpu_s=1, peak_mb=1)

        return Entrant(name=name, run=run)


@pytest.fixture
def course() -> Course:
    return Course()


def speeds(pairs: list[Pair]) -> list[tuple[float, float]]:
    return [(pair.home.rows_per_second, pair.other.rows_per_second) for pair in pairs]


def test_each_runs_right_beside_home_forwards_and_backwards(course: Course) -> None:
    others = [course.entrant(name) for name in "abc"]
    pairs = race(course.entrant("H"), others, rounds=2, failed=course.failures.__setitem__)
    assert "".join(course.order) == "aHbcH" + "cHbaH"
    assert speeds(pairs["a"]) == [(1, 1), (4, 2)]
    assert speeds(pairs["b"]) == [(1, 1), (3, 2)]
    assert speeds(pairs["c"]) == [(2, 1), (3, 2)]


def test_one_that_fails_runs_no_more_and_keeps_what_it_ran(course: Course) -> None:
    others = [course.entrant("a"), course.entrant("b", falls_at=2)]
    pairs = race(course.entrant("H"), others, rounds=3, failed=course.failures.__setitem__)
    assert "".join(course.order) == "aHb" + "bHa" + "aH"
    assert course.failures == {"b": "fell"}
    assert (len(pairs["a"]), len(pairs["b"])) == (3, 1)


def test_a_home_that_fails_ends_the_race(course: Course) -> None:
    home = course.entrant("H", falls_at=1)
    with pytest.raises(ProgramFailed, match="fell"):
        race(home, [course.entrant("a")], rounds=1, failed=course.failures.__setitem__)


def test_a_table_has_the_ratio_of_each_pair_and_not_of_their_means() -> None:
    def run(speed: float) -> Measured:
        return Measured(rows=1_000_000, seconds=1e6 / speed, cpu_s=2, peak_mb=100)

    pairs = {"a": [Pair(home=run(home), other=run(other)) for home, other in ((9, 3), (8, 4))]}
    text = table.pairs_table(pairs, "home", {"a": "slow"}, {"b": "not installed"})
    assert text.splitlines()[2:] == [
        "| home | 8 | 1 | 2.0 | 100 |  |",
        "| a | 4 | 2.00 – 2.50 – 3.00 | 2.0 | 100 | slow |",
        "| b |  |  |  |  | not installed |",
    ]
