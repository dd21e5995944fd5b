"""What a job allows, and what it does not: each limit on both of its sides, and how one goes on."""

import csv
from functools import partial
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from pipeline import verbs
from pipeline.clock import SystemClock
from pipeline.config.job import Allowance, Job
from pipeline.config.toml import Overrides, load_job
from pipeline.errors import JobError
from pipeline.run import Run
from pipeline.run_folder import RunFolder
from tests.journey.account import Account, job


def write(path: Path, rows: int, bad: int = 0) -> Path:
    """A file of *rows* members of an audience, the last *bad* of one that is not there."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["profileIntegrationId", "audienceId"])
        out.writerows([f"p{n}", "1" if n < rows - bad else "x"] for n in range(rows))
    return path


def limited(source: Path, **limits: object) -> Job:
    return job(source, "audiences", **limits)


def resumed(account: Account, run: Run, **limits: Allowance) -> Run:
    """As `pipeline resume RUN --max-… N` does."""
    return account.resume(run, lambda job: replace(job, limits=replace(job.limits, **limits)))


# ── rejected, refused ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("allowed", "code"), [(3, 1), (2, 3), ("30%", 1), ("29.9%", 3), (0, 3), ("100%", 1)]
)
def test_rejected_rows_stop_a_run_at_the_first_too_many(
    account: Account, tmp_path: Path, allowed: int | str, code: int
) -> None:
    source = write(tmp_path / "members.csv", 10, bad=3)
    run = account.run(limited(source, max_rejected=allowed))
    assert run.ended.exit_code == code
    if code == 3:
        assert f"3 of 10 rows were rejected: more than max_rejected = {allowed}" in str(
            run.ended.message
        )
        assert str(run.folder) in run.ended.hint
        run = resumed(account, run, max_rejected=Allowance(rows=3))
        assert run.ended.exit_code == 1
    assert run.ended.totals.by_status["delivered"] == 7


@pytest.mark.parametrize(("allowed", "code"), [(4, 1), (3, 3), ("20%", 1), ("19%", 3)])
def test_refused_rows_do_the_same_and_a_share_counts_at_the_end_too(
    account: Account, tmp_path: Path, allowed: int | str, code: int
) -> None:
    """One row in a request: each fifth is refused."""
    source = tmp_path / "profiles.csv"
    source.write_text("integrationId\n" + "".join(f"p{n}\n" for n in range(20)))
    account.faults("400 on profiles-one-by-one from=3 every=5")
    run = account.run(job(source, "profiles-one-by-one", max_refused=allowed))
    assert run.ended.exit_code == code
    account.faults("")
    if code == 3:
        assert f"more than max_refused = {allowed} allows" in run.ended.message
        run = resumed(account, run, max_refused=Allowance(percent=50))  # type: ignore[arg-type]
        assert run.ended.exit_code == 1
    assert run.ended.totals.by_status["delivered"] == 16
    assert run.ended.totals.by_status["refused"] == 4


def test_what_a_resume_allows_is_kept(account: Account, tmp_path: Path) -> None:
    source = write(tmp_path / "members.csv", 10, bad=3)
    run = account.run(limited(source, max_rejected=1))
    assert run.ended.exit_code == 3
    run = resumed(account, run, max_rejected=Allowance(rows=5))
    assert Run(run.folder).job.limits.max_rejected == Allowance(rows=5)
    assert account.resume(run).ended.exit_code == 1


@pytest.mark.parametrize(("allowed", "code"), [(3, 0), (2, 1), ("30%", 0), ("29%", 1)])
def test_tolerated_rows_leave_it_a_success(
    account: Account, tmp_path: Path, allowed: int | str, code: int
) -> None:
    source = write(tmp_path / "members.csv", 10, bad=3)
    run = account.run(limited(source, tolerate=allowed))
    assert run.ended.exit_code == code
    assert run.ended.message.startswith("3 of 10 rows did not arrive")


# ── the size of the source ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("empty", "code"), [("ok", 0), ("error", 3), (None, 3)])
def test_a_source_without_rows_is_what_the_job_says(
    account: Account, tmp_path: Path, empty: str | None, code: int
) -> None:
    run = account.run(limited(write(tmp_path / "members.csv", 0), empty=empty))
    assert run.ended.exit_code == code
    if code:
        assert "has no rows" in run.ended.message
        assert account.resume(run).ended.exit_code == 0


@pytest.mark.parametrize(
    ("rows", "allowed", "code"),
    [(8, "20%", 0), (7, "20%", 3), (12, "20%", 0), (10, 0, 0), (9, 0, 3), (0, "99%", 3)],
)
def test_a_source_that_shrank_too_much_is_not_sent(
    account: Account, tmp_path: Path, rows: int, allowed: int | str, code: int
) -> None:
    source = tmp_path / "members.csv"
    work = limited(write(source, 10), shrink_max=allowed, empty="ok")
    assert account.run(work).ended.exit_code == 0  # the first has nothing to be compared with
    before = account.state()["requests"]
    write(source, rows)
    run = account.run(work)
    assert run.ended.exit_code == code
    if code:
        assert f"the source has {rows:,} rows, and had 10" in run.ended.message
        assert account.state()["requests"] == before
        run = account.resume(run)
    assert run.ended.totals.by_status["delivered"] == rows
    assert run.ended.exit_code == 0
    # What was let pass is the measure for the next.
    assert account.run(work).ended.exit_code == 0


def test_a_run_that_did_not_finish_and_one_of_another_job_are_no_measure(
    account: Account, tmp_path: Path
) -> None:
    source = write(tmp_path / "members.csv", 10)
    account.run(limited(source, name="another"))
    account.faults("401")
    assert account.run(limited(source, shrink_max=0)).ended.exit_code == 3
    account.faults("")
    write(source, 5)
    assert account.run(limited(source, shrink_max=0)).ended.exit_code == 0


def test_the_limits_stand_in_a_job_file(tmp_path: Path) -> None:
    path = tmp_path / "members.toml"
    path.write_text(
        'operation = "audiences"\nsource = "members.csv"\n[limits]\nshrink_max = "20%"\n'
        'empty = "error"\n'
    )
    made = load_job(path, Overrides())
    assert made.limits.shrink_max == Allowance.parse("20%")
    assert made.limits.empty == "error"
    assert Job.from_json(made.to_json()) == made
    path.write_text(path.read_text().replace('"error"', '"warn"'))
    with pytest.raises(JobError, match="expected one of ok, error"):
        load_job(path, Overrides())


# ── a canary, and the clock ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", [1, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("to", ["audiences", "profiles-one-by-one"])
def test_a_canary_sends_so_many_rows_and_the_rest_follows(
    account: Account, tmp_path: Path, first: int, to: str
) -> None:
    rows = 2500 if to == "audiences" else 25
    first = first if to == "audiences" else max(1, first // 100)
    source = tmp_path / "rows.csv"
    head = "profileIntegrationId,audienceId" if to == "audiences" else "integrationId,x"
    source.write_text(f"{head}\n" + "".join(f"p{n},1\n" for n in range(rows)))
    run = account.run(job(source, to, first=first))
    assert run.ended.totals.by_status["delivered"] == min(first, rows)
    whole = first >= rows
    assert run.ended.exit_code == (0 if whole else 3)
    if not whole:
        assert f"the first {first:,} rows were sent" in run.ended.message
    run = account.resume(run)
    assert run.ended.totals.by_status["delivered"] == rows
    assert run.ended.exit_code == 0
    assert run.results["row"].to_list() == list(range(1, rows + 1))


class RacingClock(SystemClock):
    """The machine's clocks, but for intervals: each look is a minute later than the last."""

    def __init__(self) -> None:
        self._looks = 0

    def monotonic(self) -> float:
        self._looks += 1
        return super().monotonic() + 60.0 * self._looks


@pytest.mark.parametrize("verb", ["run", "stage", "resume"])
def test_the_time_is_up_and_the_rest_can_go_on(account: Account, tmp_path: Path, verb: str) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("integrationId\n" + "".join(f"p{n}\n" for n in range(50_000)))
    account.faults("latency:20ms")
    terms = account.terms(clock=RacingClock(), stop_after=600.0)
    work = job(source)
    if verb == "stage":
        run = verbs.stage(work, replace(terms, stop_after=1.0))
    elif verb == "run":
        run = anyio.run(partial(verbs.run, work, terms))
    else:
        staged = account.stage(work)
        run = anyio.run(partial(verbs.resume, RunFolder(path=staged.folder), terms))
    account.faults("")
    assert run.ended.exit_code == 3
    assert "--stop-after" in run.ended.message
    assert str(run.folder) in run.ended.hint
    run = account.resume(run)
    assert run.ended.totals.by_status["delivered"] == 50_000
    assert run.ended.exit_code == 0


def test_a_run_that_ends_in_time_is_not_stopped(account: Account, tmp_path: Path) -> None:
    run = account.run(limited(write(tmp_path / "members.csv", 3)), stop_after=3600.0)
    assert run.ended.exit_code == 0
