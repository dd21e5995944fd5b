"""Whole runs, from a file to an account and to the results; held against the source's own cells.

What was sent is compared with what Python's csv module reads, never with our own encoder.
"""

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from pipeline import run_folder
from pipeline.errors import InputError, Interrupted, JobError, LimitError, RunError
from pipeline.events import RequestsSettled, StagingFinished
from pipeline.run import Run
from tests.journey.account import Account, job, read_csv, stopped_after, write_csv

ODD = [
    "00042",
    "plain",
    'say "hello"',
    "comma, and; semicolon",
    "two\nlines",
    "tab\tand trailing space ",
    " leading",
    "Zoë Ærø 東京 🦊",
    "e\u0301 combining",
    "back\\slash",
    "</script>",
    "=SUM(A1)",
    "0.10",
    "1e5",
    "null",
    "NaN",
    "true",
    "'single'",
    "-0",
    "9" * 40,
]


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """Each odd text as an id and as a value; some rows of the same customer, some without an id."""
    rows = [[f"id {text}", text, str(number)] for number, text in enumerate(ODD)]
    rows += [[f"{number:05}", "", ""] for number in range(2500)]
    rows += [["id 00042", "later", "7"], ["", "of nobody", "1"], ["no number", "x", "1,5"]]
    head = ["integrationId", "attributes.Text", "Number"]
    return write_csv(tmp_path / "customers.csv", rows, head)


COLUMNS = {"attributes.Number": {"column": "Number", "type": "integer"}}


def check_results(run: Run, source: Path, counts: dict[str, int]) -> None:
    """One result for each row of *source*, with its own id, and the numbers add up everywhere."""
    cells = read_csv(source)
    results = run.results
    assert results["row"].to_list() == list(range(1, len(cells) + 1))
    assert Counter(results["status"]) == Counter(counts)
    for cell, result in zip(cells, results.to_dicts(), strict=True):
        if result["status"] != "rejected":
            assert result["key"] == cell["integrationId"]
    summary = run.ended
    assert summary.totals.rows == len(cells)
    assert {s.value: n for s, n in summary.totals.by_status.items() if n} == counts


def test_what_is_sent_is_what_stands_in_the_file(account: Account, customers: Path) -> None:
    run = account.run(job(customers, columns=COLUMNS, concurrency=4))
    check_results(run, customers, {"delivered": 2521, "rejected": 2})
    expected: dict[str, dict[str, object]] = {}
    for cell in read_csv(customers):
        if cell["integrationId"] and "," not in cell["Number"]:
            attributes: dict[str, object] = expected.setdefault(cell["integrationId"], {})
            if cell["attributes.Text"]:
                attributes["Text"] = cell["attributes.Text"]
            if cell["Number"]:
                attributes["Number"] = int(cell["Number"])
    held = account.held("profiles")
    assert {profile["integrationId"]: profile["attributes"] for profile in held} == expected
    once = Counter(profile["applied"] for profile in held)
    assert once == {1: 2519, 2: 1}  # a row later in the file came later, and won
    assert run.ended.exit_code == 1


def test_rows_to_mend_can_be_fed_back(account: Account, customers: Path, tmp_path: Path) -> None:
    first = account.run(job(customers, columns=COLUMNS))
    failures = first.failures
    assert failures["_row"].to_list() == [2522, 2523]
    assert failures["attributes.Text"].to_list() == ["of nobody", "x"]
    mended = first.folder / "failures.parquet"
    again = account.run(job(mended, columns=COLUMNS, name="mended"))
    assert again.results["row"].to_list() == [2522, 2523]
    assert again.results["source"].to_list() == [str(customers)] * 2


def test_a_run_folder_is_for_its_owner_and_holds_no_key(account: Account, customers: Path) -> None:
    run = account.run(job(customers, columns=COLUMNS))
    assert run.folder.stat().st_mode & 0o777 == 0o700
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    assert {"run.json", "ledger.sqlite", "log.jsonl", "failures.parquet"} <= {f.name for f in files}
    assert not any(account.api_key.encode() in path.read_bytes() for path in files)
    for line in (run.folder / "log.jsonl").read_text().splitlines():
        json.loads(line)
    manifest = json.loads((run.folder / "run.json").read_text())
    assert manifest["summary"]["rows"] == 2523
    assert manifest["summary"]["exit_code"] == 1


def test_a_push_delivers_what_was_staged_and_needs_the_source_no_more(
    account: Account, customers: Path
) -> None:
    cells = customers.read_bytes()
    staged = account.stage(job(customers, columns=COLUMNS))
    assert account.state()["requests"] == 0
    assert staged.ended.totals.rows == 2523
    assert staged.ended.exit_code == 0
    customers.unlink()
    run = account.push(staged)
    customers.write_bytes(cells)
    assert run.folder == staged.folder
    check_results(run, customers, {"delivered": 2521, "rejected": 2})


def test_a_second_push_sends_nothing(account: Account, customers: Path) -> None:
    run = account.run(job(customers, columns=COLUMNS))
    requests = account.state()["requests"]
    again = account.push(run)
    assert account.state()["requests"] == requests
    check_results(again, customers, {"delivered": 2521, "rejected": 2})


def test_a_run_that_was_stopped_goes_on_where_it_was(account: Account, customers: Path) -> None:
    why = Interrupted("somebody asked", exit_code=130)
    work = job(customers, columns=COLUMNS)
    first = account.run(work, **stopped_after(1, why, account.events))
    assert first.ended.exit_code == 130
    assert 0 < first.ended.totals.by_status["pending"] < 2521
    assert first.ended.message == "somebody asked"
    partial = len(first.results)
    assert partial == 2523 - first.ended.totals.by_status["pending"]  # what is known is written
    run = account.resume(first)
    check_results(run, customers, {"delivered": 2521, "rejected": 2})
    assert max(profile["applied"] for profile in account.held("profiles")) == 2


def test_files_that_no_transaction_has_named_are_dropped(account: Account, customers: Path) -> None:
    """A crash came between a part and the transaction that names it."""
    run = begun(account, customers)
    strays = [run.folder / kind / "part-000009.parquet" for kind in ("staged", "results")]
    strays.append(run.folder / "rejected" / ".rejected-000001.parquet.partial")
    for stray in strays:
        stray.write_bytes(b"half a part")
    check_results(account.resume(run), customers, {"delivered": 2521, "rejected": 2})
    assert not any(stray.exists() for stray in strays)


def test_an_interrupted_staging_goes_on_if_the_source_is_the_same(
    account: Account, customers: Path
) -> None:
    run = begun(account, customers)
    check_results(account.resume(run), customers, {"delivered": 2521, "rejected": 2})


def begun(account: Account, customers: Path) -> Run:
    """A run that was stopped before it had staged anything."""
    stop = {"started": lambda journey: journey.stop(Interrupted("early"))}
    run = account.run(job(customers, columns=COLUMNS), **stop)
    assert run.ended.totals.rows == 0
    assert run.ended.exit_code == 130
    return run


def test_a_source_that_changed_is_not_staged_on(account: Account, customers: Path) -> None:
    run = begun(account, customers)
    customers.write_text(customers.read_text() + "one,more,1\n")
    with pytest.raises(LimitError, match="source has changed"):
        account.resume(run)
    assert account.state()["requests"] == 0


def test_a_source_that_is_gone_is_said(account: Account, customers: Path) -> None:
    run = begun(account, customers)
    customers.unlink()
    with pytest.raises(InputError):
        account.resume(run)


def test_what_is_half_staged_is_not_pushed(account: Account, customers: Path) -> None:
    with pytest.raises(JobError, match="not staged to its end"):
        account.push(begun(account, customers))


def test_two_runs_of_one_job_cannot_be(account: Account, customers: Path) -> None:
    work = job(customers, columns=COLUMNS)
    with (
        run_folder.held(account.runs_dir / work.name, what="the other run", now=0.0),
        pytest.raises(RunError, match=r"in use by process \d+ .* \(the other run\)"),
    ):
        account.run(work)
    assert list(account.runs_dir.glob("*/*/run.json")) == []


def test_two_cannot_work_on_one_folder(account: Account, customers: Path) -> None:
    run = account.stage(job(customers, columns=COLUMNS))
    with (
        run_folder.held(run.folder, what="the other one", now=0.0),
        pytest.raises(RunError, match="the other one"),
    ):
        account.push(run)


@pytest.mark.parametrize("part", ["staged", "results"])
def test_a_part_that_is_gone_is_a_clear_end(account: Account, customers: Path, part: str) -> None:
    run = account.stage(job(customers, columns=COLUMNS))
    for path in (run.folder / part).iterdir():
        path.rename(path.with_suffix(".away"))
    run = account.push(run)
    assert run.ended.exit_code == 3
    assert f"{part}/" in run.ended.message
    assert "bring it back" in run.ended.hint


def test_a_part_that_was_brought_back_is_delivered(account: Account, customers: Path) -> None:
    run = account.stage(job(customers, columns=COLUMNS))
    (path,) = (run.folder / "staged").iterdir()
    away = path.rename(run.folder / "away")
    assert account.push(run).ended.exit_code == 3
    away.rename(path)
    check_results(account.push(run), customers, {"delivered": 2521, "rejected": 2})


def test_a_canary_stops_and_the_rest_follows(account: Account, customers: Path) -> None:
    run = account.run(job(customers, columns=COLUMNS, first=10))
    assert run.ended.exit_code == 3
    assert run.ended.totals.by_status["delivered"] == 10
    assert len(account.held("profiles")) == 10
    check_results(account.resume(run), customers, {"delivered": 2521, "rejected": 2})


def test_a_canary_of_all_rows_is_a_run(account: Account, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "few.csv", [["a"], ["b"]], ["integrationId"])
    run = account.run(job(source, first=100))
    assert (run.ended.exit_code, run.ended.message) == (0, "")


def test_a_job_that_is_wrong_stops_and_can_go_on(account: Account, customers: Path) -> None:
    account.faults("400")
    run = account.run(job(customers, columns=COLUMNS))
    assert run.ended.exit_code == 3
    assert "same cause" in run.ended.message
    assert account.state()["requests"] < 10
    account.faults("")
    assert account.resume(run).ended.totals.by_status["pending"] == 0


def test_a_refused_key_stops_and_nothing_is_lost(account: Account, customers: Path) -> None:
    account.faults("401")
    run = account.run(job(customers, columns=COLUMNS, concurrency=8))
    assert run.ended.exit_code == 3
    assert "key" in run.ended.message
    assert run.ended.totals.by_status["failed"] == 0
    account.faults("")
    check_results(account.resume(run), customers, {"delivered": 2521, "rejected": 2})


def test_a_limit_of_rejected_rows_stops_before_all_is_sent(
    account: Account, customers: Path
) -> None:
    run = account.run(job(customers, columns=COLUMNS, max_rejected=1))
    assert run.ended.exit_code == 3
    assert "max_rejected" in run.ended.message


def test_tolerated_rows_are_a_success_with_a_warning(account: Account, customers: Path) -> None:
    run = account.run(job(customers, columns=COLUMNS, tolerate=2))
    assert run.ended.exit_code == 0
    assert "tolerates" in run.ended.message


def test_a_source_with_a_header_only_is_told(account: Account, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "none.csv", [], ["integrationId"])
    run = account.run(job(source))
    assert (run.ended.totals.rows, run.ended.exit_code, len(run.results)) == (0, 3, 0)
    assert "has no rows" in run.ended.message


def test_a_frame_is_spooled_and_its_run_can_be_resumed(account: Account) -> None:
    frame = pl.DataFrame({"integrationId": ["007", "8"], "attributes.Tier": ["gold", None]})
    work = job(Path("-"), name="frame")
    stop = {"started": lambda journey: journey.stop(Interrupted("early"))}
    begun = account.run(work, frame=frame, **stop)
    run = account.resume(begun)
    assert run.results["key"].to_list() == ["007", "8"]
    held = {p["integrationId"]: p["attributes"] for p in account.held("profiles")}
    assert held == {"007": {"Tier": "gold"}, "8": {}}


def test_bad_jobs_leave_no_folder(account: Account, customers: Path) -> None:
    with pytest.raises(JobError):
        account.run(job(customers, columns={"attributes.X": "no such column"}))
    assert list(account.runs_dir.glob("*/*")) == []


def test_events_tell_of_every_row(account: Account, customers: Path) -> None:
    account.run(job(customers, columns=COLUMNS))
    settled: Counter[str] = Counter()
    for event in account.events:
        if isinstance(event, RequestsSettled):
            settled.update({status.value: rows for status, rows in event.rows.items()})
    assert settled == {"delivered": 2521}
    assert StagingFinished(rows=2523, rejected=2) in account.events
