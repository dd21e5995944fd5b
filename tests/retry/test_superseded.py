"""Never an old row over a new one, nor a row twice: random files, failures and retries.

The model is a dictionary: what a key holds is what the latest row of it that has arrived says, for
"latest" as the order of the files and, of runs, the order in time. The account counts for itself.
"""

import contextlib
import csv
import itertools
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.errors import JobError
from pipeline.run import Run
from pipeline.verbs import Choice
from tests.journey.account import Account, job
from tests.retry.test_retry import retry, statuses

BAD = "1,5"
COLUMNS = {"attributes.N": {"column": "n", "type": "integer"}}
MENDED = {"attributes.N": {"sql": "replace(n, ',5', '')", "type": "integer"}}
"""The mended mapping takes every row; the number of a row is its value."""
KEYS = st.sampled_from("abc")
FILES = st.lists(st.lists(st.tuples(KEYS, st.booleans()), min_size=1, max_size=6),
                 min_size=1, max_size=2)  # fmt: skip
"""Of each file its rows: a key, and whether the first mapping refuses it."""

numbers = itertools.count()


def written(folder: Path, rows: list[tuple[str, bool]], first: int) -> Path:
    path = folder / f"{first:05}.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["integrationId", "n"])
        for number, (key, bad) in enumerate(rows, first):
            out.writerow([key, f"{number},5" if bad else str(number)])
    return path


@example(runs=[[[("b", False), ("c", False), ("a", True)], [("a", False)]]], retries=[])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    runs=st.lists(FILES, min_size=1, max_size=2),
    retries=st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(1, 3)), max_size=4),
)
def test_the_latest_row_that_arrived_is_what_a_key_holds(
    account: Account,
    tmp_path: Path,
    runs: list[list[list[tuple[str, bool]]]],
    retries: list[tuple[int, int | None]],
) -> None:
    account.lever("reset")
    folder = tmp_path / f"case-{next(numbers)}"
    folder.mkdir()
    mine = Account(account.base_url, account.api_key, folder / "runs")
    number, begun, keys = 1, [], {}
    for order, files in enumerate(runs):
        place = folder / str(order)
        place.mkdir()
        for rows in files:
            written(place, rows, number)
            keys |= {number + n: key for n, (key, _) in enumerate(rows)}
            number += len(rows)
        begun.append(mine.run(job(place / "*.csv", columns=COLUMNS)))
    roots: list[Run] = list(begun)
    for which, limit in retries:
        parent = begun[which % len(begun)]
        mended = job(Path(parent.job.sources[0]), columns=MENDED)
        with contextlib.suppress(JobError):  # nothing is left to be sent
            begun.append(retry(mine, parent, Choice(limit=limit), mended))
    arrived = {int(n) for run in begun for n in sent_by(run)}
    expected: dict[str, int] = {}
    for n in sorted(arrived):
        expected[keys[n]] = n
    held = {one["integrationId"]: one["attributes"]["N"] for one in mine.held("profiles")}
    assert held == expected
    # Each row was sent once at most, by whichever run.
    assert sum(one["applied"] for one in mine.held("profiles")) == len(arrived)
    for run in roots:
        assert len(run.outcomes) == run.ended.totals.rows


def sent_by(run: Run) -> list[str]:
    """The numbers that the rows of *run* which were delivered say: the value is the row."""
    paths = list((run.folder / "staged").glob("*.parquet"))
    if not paths:
        return []
    staged = pl.concat([pl.read_parquet(path) for path in paths])
    good = run.results.filter(status="delivered").select("row", file="source")
    return staged.join(good, on=["row", "file"])["attributes.N"].to_list()


def test_a_retry_sends_rows_in_the_order_of_the_source(account: Account, tmp_path: Path) -> None:
    """Rejected ones and refused ones of one key, mixed: the last in the file is the last sent."""
    account.faults("400 for=1")
    rows = [("a", True), ("a", False), ("a", True), ("b", False)]
    source = written(tmp_path, rows, 1)
    first = account.run(job(source, "profiles-one-by-one", columns=COLUMNS))
    account.faults("")
    assert statuses(first) == {1: "rejected", 2: "refused", 3: "rejected", 4: "delivered"}
    mended = job(source, "profiles-one-by-one", columns=MENDED)
    again = retry(account, first, mended=mended)
    assert statuses(again) == {1: "delivered", 2: "delivered", 3: "delivered"}
    held = {one["integrationId"]: one["attributes"]["N"] for one in account.held("profiles")}
    assert held == {"a": 3, "b": 4}


@pytest.mark.parametrize("split", [1, 2, 3])
def test_order_goes_over_files_too(account: Account, tmp_path: Path, split: int) -> None:
    rows = [("a", True), ("a", True), ("a", False), ("a", True)]
    written(tmp_path, rows[:split], 1)
    written(tmp_path, rows[split:], 1 + split)
    first = account.run(job(tmp_path / "*.csv", columns=COLUMNS))
    again = retry(account, first, mended=job(tmp_path / "*.csv", columns=MENDED))
    assert sorted(again.results["status"]) == ["delivered", "superseded", "superseded"]
    assert account.held("profiles")[0]["attributes"] == {"N": 4}
