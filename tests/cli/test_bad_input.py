"""Bad input gets a clear sentence and an exit code, never a traceback."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.shell import Shell

TOML = """
operation = "profils"
source = 3
columnz = {}
"""
GOOD_TOML = 'operation = "profiles"\nsource = "good.csv"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Arguments, what lies in the folder, and what is said about it."""

    arguments: str
    says: str
    code: int = 2
    files: dict[str, bytes] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


GOOD = {"good.csv": b"integrationId\n1\n"}
CASES = {
    "no such file": Case(arguments="run missing.csv --to profiles", says="missing.csv does not"),
    "no match": Case(arguments="run no*.csv --to profiles", says="no file matches no*.csv"),
    "a folder": Case(arguments="run . --to profiles", says=". is a directory"),
    "an empty file": Case(
        arguments="run empty.csv --to profiles", says="empty.csv is empty", files={"empty.csv": b""}
    ),
    "a PDF": Case(
        arguments="validate export.csv --to profiles",
        says="export.csv looks like a PDF, not like CSV",
        files={"export.csv": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\n"},
    ),
    "no operation": Case(
        arguments="run good.csv", says="it is not said which operation", files=GOOD
    ),
    "an operation misspelt": Case(
        arguments="run good.csv --to profils", says='did you mean "profiles"?', files=GOOD
    ),
    "no such column": Case(
        arguments="run good.csv --to profiles --map integrationId=integrationID",
        says='the source has no column "integrationID"',
        files=GOOD,
    ),
    "no such job file": Case(arguments="run none.toml", says="none.toml: the job file cannot be"),
    "a job file that is no TOML": Case(
        arguments="run job.toml", says="job.toml, line 1", files={"job.toml": b"x = ["}
    ),
    "everything wrong with a job": Case(
        arguments="run job.toml", says="3 problems in the job:", files={"job.toml": TOML.encode()}
    ),
    "no key": Case(
        arguments="run good.csv --to profiles",
        says="TALON_ONE_API_KEY is not set",
        files=GOOD,
        variables={"TALON_ONE_API_KEY": ""},
    ),
    "no address": Case(
        arguments="run good.csv --to profiles",
        says="TALON_ONE_BASE_URL is not set",
        files=GOOD,
        variables={"TALON_ONE_BASE_URL": ""},
    ),
    "an address that is none": Case(
        arguments="run good.csv --to profiles --base-url nonsense",
        says="base URL does not start with https://",
        files=GOOD,
    ),
    "an address without TLS": Case(
        arguments="run good.csv --to profiles --base-url http://example.com",
        says="would send the key unencrypted",
        files=GOOD,
    ),
    "a fault without a sandbox": Case(
        arguments="run good.csv --to profiles --fault 429", says="--fault is for --sandbox"
    ),
    "a fault that is none": Case(
        arguments="run good.csv --to profiles --sandbox --fault foo",
        says="'foo' is no fault",
        files=GOOD,
    ),
    "a likeness without a sandbox": Case(
        arguments="run good.csv --to profiles --like good.csv",
        says="--like is for --sandbox",
        files=GOOD,
    ),
    "a likeness that is none": Case(
        arguments="run good.csv --to profiles --sandbox --like good.csv",
        says="good.csv: not TOML",
        files=GOOD,
    ),
    "two ways": Case(
        arguments="run good.csv --to profiles --sandbox --base-url https://a.example",
        says="are two ways: choose one",
    ),
    "a map without =": Case(
        arguments="run good.csv --to profiles --map x", says='"x" is not FIELD=COLUMN'
    ),
    "a field mapped twice": Case(
        arguments="run good.csv --to profiles --map a=b --map a=c", says='"a" is given twice'
    ),
    "an amount that is none": Case(
        arguments="resume last --max-refused lots", says="neither a number of rows nor a share"
    ),
    "standard input to be looked at": Case(
        arguments="preview - --to profiles", says="standard input can be read only once"
    ),
    "no such run": Case(arguments="status nope", says='"nope" is not a run folder'),
    "no run at all": Case(arguments="push last", says="has no runs"),
    "no such operation": Case(
        arguments="operations profile", says='did you mean "profiles"?', code=2
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_bad_input_gets_a_sentence(
    shell: Shell, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in case.files.items():
        (tmp_path / name).write_bytes(content)
    refused = shell(*case.arguments.split(), **case.variables)
    assert refused.exit_code == case.code
    assert case.says in refused.stderr
    assert "Traceback" not in refused.output
    assert refused.stdout == ""


def test_every_problem_stands_on_a_line_of_its_own(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(TOML)
    refused = shell("validate", "job.toml")
    assert [line.split()[1] for line in refused.stderr.splitlines()[1:4]] == [
        "source:",
        "columnz:",
        "operation:",
    ]
    unset = {"TALON_ONE_API_KEY": "", "TALON_ONE_BASE_URL": ""}
    (tmp_path / "good.csv").write_bytes(GOOD["good.csv"])
    unreached = shell("run", "good.csv", "--to", "profiles", **unset)
    assert unreached.stderr.splitlines()[:3] == [
        "pipeline: no connection to the API:",
        "  TALON_ONE_BASE_URL is not set",
        "  TALON_ONE_API_KEY is not set",
    ]


@pytest.mark.slow
def test_a_host_that_cannot_be_reached_leaves_a_run_to_resume(
    shell: Shell, customers: Path
) -> None:
    stopped = shell("run", customers, "--to", "profiles", "--base-url", "http://127.0.0.1:1")
    assert stopped.exit_code == 3
    assert "127.0.0.1:1 cannot be reached" in stopped.stderr
    assert "pending      10" in stopped.stdout
    resumed = shell("resume", "last")
    assert resumed.exit_code == 0
    assert "delivered    10" in resumed.stdout
