"""The policy against servers with physics: as good as the best number anyone could have chosen.

Each file in scenarios/ says what a server is like, what must come of it, and why. The best fixed
number is found by the same simulator. At the end the policy is broken in the ways in which such
policies are broken, to see that the scenarios notice.
"""

import functools
import random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.transport import limit as limits
from pipeline.transport.limit import CEILING, Heard, Limit, Tuning
from tests.pacing.physics import Physics, Server
from tests.pacing.simulation import Adaptive, Fixed, Learn, Run, run

SCENARIOS = sorted(path.stem for path in (Path(__file__).parent / "scenarios").glob("*.toml"))
SEED = 7
GRID = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, CEILING)
Band = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A file of scenarios/: physics in, bands out."""

    phases: dict[float, Physics]
    seconds: float
    expect: dict[str, Any]

    @classmethod
    @functools.cache
    def of(cls, name: str) -> "Scenario":
        path = Path(__file__).parent / "scenarios" / f"{name}.toml"
        said = tomllib.loads(path.read_text())
        assert len(said["why"]) > 20
        phases = {}
        for phase in said["server"]:
            since = phase.pop("from", 0.0)
            phases[since] = Physics(**phase)
        return cls(phases=phases, seconds=said["seconds"], expect=said["expect"])

    def play(self, client: Fixed | Adaptive) -> Run:
        server = Server(self.phases, random.Random(SEED))
        return run(server, client, self.seconds, seed=SEED)

    def fixed(self, number: int) -> int:
        return len(self.play(Fixed(number)).taken)


@functools.cache
def best_of(name: str) -> int:
    """How many requests the best of the fixed numbers delivers: coarsely, then between."""
    scenario = Scenario.of(name)
    taken = {number: scenario.fixed(number) for number in GRID}
    best = max(taken, key=lambda number: taken[number])
    index = GRID.index(best)
    low, high = GRID[max(index - 1, 0)], GRID[min(index + 1, len(GRID) - 1)]
    between = sorted({low + (high - low) * part // 6 for part in range(1, 6)} - set(taken))
    return max(taken[best], *map(scenario.fixed, between), 0)


def misses(name: str, client: Adaptive) -> list[str]:
    """Say which bands *client* misses."""
    scenario, expect = Scenario.of(name), Scenario.of(name).expect
    done, seconds = scenario.play(client), scenario.seconds
    best = best_of(name)
    last = done.limits_between(seconds * 2 / 3, seconds)
    found = {
        "best_rate": best / seconds,
        "of_the_best": len(done.taken) / best,
        "refused": done.refused_share,
        "limit": sum(last) / len(last) if last else 0.0,
    }
    bands: dict[str, tuple[float, Band]] = {
        key: (found[key], expect[key]) for key in found if key in expect
    }
    for since, until, low, high in expect.get("sent", ()):
        a_second = sum(since <= at < until for at in done.sent) / (until - since)
        bands[f"sent a second from {since} to {until}"] = (a_second, (low, high))
    return [
        f"{what}: {value:.3f}, expected {low} to {high}"
        for what, (value, (low, high)) in bands.items()
        if not low - 1e-9 <= value <= high + 1e-9
    ]


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_does_as_well_as_the_best_number(name: str) -> None:
    assert misses(name, Adaptive()) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_bands_are_what_was_promised(name: str) -> None:
    expect = Scenario.of(name).expect
    assert expect["of_the_best"][0] >= 0.9
    assert expect["refused"][1] <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_number_at_all_is_better_than_the_best(name: str) -> None:
    every = max(Scenario.of(name).fixed(number) for number in range(1, CEILING + 1))
    assert every <= best_of(name) * 1.01


# ── broken policies ──────────────────────────────────────────────────────────────────────────────


def never_falls(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    return limits.learn(limit, replace(heard, trouble=False), tuning)


def never_grows(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    after = limits.learn(limit, heard, tuning)
    return replace(after, places=replace(after.places, value=min(after.places.value, tuning.start)))


def knows_no_pace(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    """As policies of one number, of requests in flight, have it."""
    return replace(limits.learn(limit, heard, tuning), pace=None)


def blames_the_pace(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    return limits.learn(replace(limit, taken_max=999), heard, tuning)


def takes_latency_for_granted(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    return limits.learn(replace(limit, memory={}), heard, tuning)


def takes_every_slow_answer_for_load(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    slow = heard.at - heard.sent_at > 2 * limit.latency_s > 0
    return limits.learn(limit, replace(heard, trouble=heard.trouble or slow), tuning)


def learns_from_an_outage(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    return limits.learn(replace(limit, calm=max(limit.calm, 1)), heard, tuning)


BROKEN: dict[str, tuple[Learn, Tuning, tuple[str, ...]]] = {
    "no decrease": (never_falls, Tuning(), ("hard_rate", "hard_concurrency", "brown_out")),
    "no growth": (never_grows, Tuning(), ("constant_link", "queue", "recovery")),
    "no pace": (knows_no_pace, Tuning(), ("hard_rate", "hard_rate_nearby")),
    "pace to blame for all": (blames_the_pace, Tuning(), ("hard_concurrency_tails",)),
    "growth whatever the latency": (
        takes_latency_for_granted,
        Tuning(),
        ("thrash", "steep_knee", "queue"),
    ),
    "fear of slow answers": (
        takes_every_slow_answer_for_load,
        Tuning(),
        ("slow_tails", "slow_tails_without_limit"),
    ),
    "learning from an outage": (learns_from_an_outage, Tuning(), ("brown_out",)),
    "no search": (limits.learn, Tuning(round_s=1e9), ("constant_link", "shallow_slope")),
    "a return that is too quick": (
        limits.learn,
        Tuning(horizon=20.0, bill=0.0, rounds=0.5),
        ("hard_rate",),
    ),
    "no forgiving": (
        limits.learn,
        Tuning(grace=0.0, spare=0.0),
        ("odd_failures", "one_failure_in_a_hundred"),
    ),
    "a pause that is no warning": (limits.learn, Tuning(pauses=0.0), ("retry_after",)),
}


@pytest.mark.parametrize(
    ("what", "name"), [(what, name) for what in BROKEN for name in BROKEN[what][2]]
)
def test_a_broken_policy_is_noticed(what: str, name: str) -> None:
    learn, tuning, _ = BROKEN[what]
    assert misses(name, Adaptive(tuning, learn=learn))
