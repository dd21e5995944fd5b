"""Break one rule of the sandbox at a time, in a copy, and a test must fail each time.

Else a test of the loader could pass because the sandbox is lenient, and nobody would know.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Nothing but what these tests need: a third of the time.
ALONE = ["-q", "-x", "-p", "anyio.pytest_plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider"]
QUICK = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
TESTS_FAILED = 1  # pytest's exit code; others mean that the tests did not run


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A rule, how it is broken, and the test that must see it."""

    rule: str
    file: str
    right: str
    wrong: str
    test: str


MUTATIONS = (
    Mutation(
        rule="three requests in a lane",
        file="lanes.py",
        right="IN_LANE_MAX = 3",
        wrong="IN_LANE_MAX = 4",
        test="test_lanes.py::test_a_lane_is_full_at_three_and_leaves_nothing_behind",
    ),
    Mutation(
        rule="one of a lane at work",
        file="lanes.py",
        right="await held.enter_async_context(",
        wrong="repr(",
        test="test_lanes.py::test_one_of_a_lane_is_worked_on_at_a_time",
    ),
    Mutation(
        rule="overlaps are counted",
        file="lanes.py",
        right="self.worst[key] = max(count",
        wrong="self.worst[key] = max(1",
        test="test_lanes.py::test_overlaps_name_the_worst_and_forget_the_rest",
    ),
    Mutation(
        rule="a replay changes nothing",
        file="idempotency.py",
        right="return known.answer",
        wrong="return None",
        test="test_idempotency.py::test_a_repeat_is_applied_once_where_keys_are_documented",
    ),
    Mutation(
        rule="other bytes are noticed",
        file="idempotency.py",
        right="if known.digest != _digest(body):",
        wrong="if False:",
        test="test_idempotency.py::test_the_same_key_with_other_bytes",
    ),
    Mutation(
        rule="a key lives a day",
        file="idempotency.py",
        right="LIFETIME_S = 24 * 3600.0",
        wrong="LIFETIME_S = 25 * 3600.0",
        test="test_idempotency.py::test_a_key_is_forgotten_after_a_day",
    ),
    Mutation(
        rule="keys count only where documented",
        file="operations/referrals.py",
        right='aliases=("referrals",),',
        wrong='aliases=("referrals",), idempotent=True,',
        test="test_idempotency.py::test_a_repeat_is_applied_once_where_keys_are_documented",
    ),
    Mutation(
        rule="attributes are merged",
        file="operations/profiles.py",
        right="profile.attributes.update(attributes)",
        wrong="profile.attributes = attributes",
        test="test_operations.py::test_profiles_are_made_and_their_attributes_merged",
    ),
    Mutation(
        rule="applications are counted",
        file="tally.py",
        right="(past[0] + 1,",
        wrong="(past[0],",
        test="test_tally.py::test_each_application_of_a_key_is_counted_in_order",
    ),
    Mutation(
        rule="rows are counted",
        file="engine.py",
        right="applied=1, rows=rows",
        wrong="applied=1, rows=1",
        test="test_tally.py::test_every_key_of_a_request_is_counted",
    ),
    Mutation(
        rule="what is refused is not stored",
        file="engine.py",
        right='if self.switches["bulk-refusal"] == "whole"',
        wrong="if False",
        test="test_switches.py::test_bulk_refusal",
    ),
    Mutation(
        rule="a thousand rows at most",
        file="rules.py",
        right="ROWS_MAX = 1000",
        wrong="ROWS_MAX = 1001",
        test="test_rules.py::test_a_thousand_rows_are_taken_and_one_more_is_not",
    ),
    Mutation(
        rule="the document's schema holds",
        file="rules.py",
        right="if not validator.is_valid(body):",
        wrong="if False:",
        test="test_rules.py::test_a_wrong_body_is_refused_and_nothing_is_stored",
    ),
    Mutation(
        rule="codes are unique",
        file="store.py",
        right="if code not in self.referrals and code not in codes:",
        wrong="if code not in codes:",
        test="test_operations.py::test_a_pattern_is_used_up_to_its_last_code_and_then_refused",
    ),
    Mutation(
        rule="only listed transitions",
        file="operations/sessions.py",
        right='"closed": ("cancelled",),',
        wrong='"closed": ("cancelled", "closed"),',
        test="test_sessions.py::test_a_transition_that_is_not_listed_is_refused",
    ),
    Mutation(
        rule="an event's id is there once",
        file="operations/events.py",
        right="store.advanced_events.add(",
        wrong="repr(",
        test="test_sessions.py::test_a_v3_event_is_there_once",
    ),
    Mutation(
        rule="erasing reaches what refers to the profile",
        file="operations/profiles.py",
        right='entity["attributes"] = {}',
        wrong="pass",
        test="test_operations.py::test_erasing_empties_all_attributes_and_keeps_the_profile",
    ),
    Mutation(
        rule="strict refuses what nobody declared",
        file="attributes.py",
        right='{"additionalProperties": False} if self._strict',
        wrong="{} if self._strict",
        test="test_attributes.py::test_unknown_names_pass_unless_strict",
    ),
    Mutation(
        rule="what was answered is on disk",
        file="journal.py",
        right="self._file.flush()",
        wrong="pass",
        test="test_journal.py::test_what_was_answered_is_read_by_another_at_once",
    ),
)


def outcome(mutation: Mutation, folder: Path) -> int:
    """Return the exit code of the test of *mutation*, run on a copy that has it."""
    shutil.copytree(
        ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__")
    )
    broken = folder / "pipeline" / "sandbox" / mutation.file
    text = broken.read_text(encoding="utf-8")
    assert text.count(mutation.right) == 1, f"{mutation.rule}: find the rule again"
    broken.write_text(text.replace(mutation.right, mutation.wrong), encoding="utf-8")
    name, _, test = mutation.test.partition("::")
    command = [sys.executable, "-m", "pytest", *ALONE, "-o", f"pythonpath={folder} {ROOT}"]
    ran = subprocess.run(
        [*command, f"tests/sandbox/{name}", "-k", test],
        cwd=ROOT,
        env=QUICK,
        capture_output=True,
        timeout=100,
        check=False,
    )
    return ran.returncode


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Mutation], int]:
    """The exit code for each mutation; all are run when the first is asked for, two at a time."""
    folders = [tmp_path_factory.mktemp("mutation") for _ in MUTATIONS]
    with ThreadPoolExecutor(2) as pool:
        codes = dict(zip(MUTATIONS, pool.map(outcome, MUTATIONS, folders), strict=True))
    return codes.__getitem__


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule)
def test_a_broken_rule_is_seen(outcomes: Callable[[Mutation], int], mutation: Mutation) -> None:
    assert outcomes(mutation) == TESTS_FAILED


def test_without_a_mutation_the_tests_of_the_mutations_pass() -> None:
    names = sorted({mutation.test.partition("::")[0] for mutation in MUTATIONS})
    tests = " or ".join(sorted({mutation.test.partition("::")[2] for mutation in MUTATIONS}))
    command = [sys.executable, "-m", "pytest", *ALONE, "-k", tests]
    ran = subprocess.run(
        [*command, *(f"tests/sandbox/{name}" for name in names)],
        cwd=ROOT,
        env=QUICK,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
