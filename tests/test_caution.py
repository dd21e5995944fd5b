"""What is told or asked before rows are sent, in words."""

from pathlib import Path

import polars as pl
import pytest
from msgspec.structs import replace

from pipeline import api, caution, verbs
from pipeline.config.job import Job
from pipeline.config.secrets import Connection, Secret
from pipeline.errors import JobError
from pipeline.model import Status, Totals
from pipeline.operations import OPERATIONS, Operation, find
from pipeline.run_folder import RunFolder
from pipeline.sandbox.embedded import Embedded


def operation(name: str) -> Operation:
    found = find(name)
    assert found is not None
    return found


def test_the_slow_names_the_fast_and_the_old_names_the_new() -> None:
    told = {o.name: caution.notices(o) for o in OPERATIONS if caution.notices(o)}
    assert {name: len(texts) for name, texts in told.items()} == {
        "referrals-one-by-one": 1,
        "profiles-one-by-one": 1,
        "events-v1": 1,
        "profiles-v1": 2,
        "sessions-v1": 1,
    }
    assert "referrals does the same with 1,000" in told["referrals-one-by-one"][0]
    assert "events has come in its place" in told["events-v1"][0]


def test_what_destroys_is_asked_with_count_and_address() -> None:
    question = caution.Question(
        operation=operation("erasures"), rows=1234, address="https://a.talon.one"
    )
    assert "1,234 row(s), at https://a.talon.one" in str(question)
    assert "an unknown number of rows, at the API" in str(replace(question, rows=None, address=""))
    with pytest.raises(JobError, match="nothing was done"):
        caution.insist(question, confirmed=False)
    caution.insist(question, confirmed=True)
    caution.insist(None, confirmed=False)


def test_rows_are_counted_where_they_are(tmp_path: object) -> None:
    path = f"{tmp_path}/ids.csv"
    pl.DataFrame({"integrationId": ["a", "b"]}).write_csv(path)
    job = Job(name="x", operation=operation("erasures"), sources=(path,))
    assert caution.rows_of(job, None) == 2
    assert caution.rows_of(job, pl.DataFrame({"a": [1, 2, 3]})) == 3


def test_the_fill_is_told_where_rows_are_gathered() -> None:
    by_status = {Status.REJECTED: 100, Status.PENDING: 1900}
    totals = Totals(rows=2000, by_status=by_status, batches=2)
    assert caution.fill(operation("referrals"), totals) == (
        "1,900 rows in 2 request(s) of up to 1,000: filled to 95.0%"
    )
    assert caution.fill(operation("profiles"), totals) == ""
    assert caution.fill(operation("sessions"), totals) == ""
    assert caution.fill(operation("referrals"), Totals()) == ""


def test_what_was_confirmed_for_one_address_is_asked_again_for_another(tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("integrationId\na\nb\n")
    job = Job(name="gone", operation=operation("erasures"), sources=(str(ids),), first=1)

    def terms(sandbox: Embedded, *, confirmed: bool = False) -> verbs.Terms:
        key = Secret(sandbox.api_key)
        reached = Connection(base_url=sandbox.base_url, api_key=key)
        return verbs.Terms(runs_dir=tmp_path / "runs", connection=reached, confirmed=confirmed)

    with Embedded() as here, Embedded() as there:
        run = api.blocking(lambda: verbs.run(job, terms(here, confirmed=True)))
        folder = RunFolder(path=run.folder)
        assert verbs.question_of(folder, terms(here)) is None
        with pytest.raises(JobError, match="nobody has confirmed it"):
            api.blocking(lambda: verbs.resume(folder, terms(there)))
        assert run.ended.totals.of(Status.PENDING) == 1
        api.blocking(lambda: verbs.resume(folder, terms(here)))
        assert run.ended.totals.of(Status.DELIVERED) == 2
