"""Everything that is wrong with a job is told at once: where, what was expected, what was meant."""

from pathlib import Path

import pytest

from pipeline.config import schema, speed
from pipeline.config.problems import Problems
from pipeline.config.toml import Overrides, job_from, load_job
from pipeline.errors import JobError

NAMES = "profiles, audiences, referrals"
GOOD = 'operation = "profiles"\nsource = "a.csv"\n'
CONCURRENCY = '"adaptive", or a number of requests from 1 to 256'
PROFILE_FIELDS = "integrationId, attributes.<Name>, silent"

TABLE = (Path(__file__).parent / "bad_jobs.txt").read_text().split("\n==== ")[1:]
BAD_FILES = {
    name: tuple(told.split("\n----\n")) for name, told in (case.split("\n", 1) for case in TABLE)
}


def refused(path: Path, overrides: Overrides | None = None) -> JobError:
    with pytest.raises(JobError) as caught:
        load_job(path, overrides or Overrides())
    return caught.value


@pytest.mark.parametrize(("text", "problems"), BAD_FILES.values(), ids=BAD_FILES)
def test_every_problem_is_told_at_once(tmp_path: Path, text: str, problems: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    error = refused(path)
    assert list(error.problems) == [f"{path}: {problem}" for problem in problems.splitlines()]
    assert all(problem in str(error) for problem in error.problems)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"a = 1\nb = \n", ", line 2, column 5: not TOML: Invalid value"),
        (b'a = 1\nb = "', ", line 2 (the end): not TOML: Unterminated string"),
        (b"a = 1\na = 2\n", ", line 2, column 6: not TOML: Cannot overwrite a value"),
        (b"a = 1\n# caf\xe9\n", ", line 2: not UTF-8"),
        (b"a = " + b"[" * 100_000, ": not TOML that can be read: "),
        (b"a = " + b"9" * 5_000, ": not TOML that can be read: "),
        (b"#" * (1 << 20) + b"\n", ": not a job file: it is longer than 1048576 bytes"),
        (b"\x00", ", line 1, column 1: not TOML: Invalid statement"),
    ],
    ids=["value", "end", "twice", "latin-1", "deep", "long number", "long file", "binary"],
)
def test_a_file_that_is_no_toml_is_refused_with_its_place(
    tmp_path: Path, content: bytes, what: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    assert str(refused(path)).startswith(f"{path}{what}")


def test_a_file_that_is_not_there_is_refused_with_the_one_that_is(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(GOOD)
    error = refused(tmp_path / "profile.toml")
    assert str(error) == (
        f"{tmp_path / 'profile.toml'}: the job file cannot be read: No such file or directory"
        ' (did you mean "profiles.toml"?)'
    )
    assert "Is a directory" in str(refused(tmp_path))
    assert "No such file" in str(refused(tmp_path / "nowhere" / "profile.toml"))


def test_a_file_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    assert "longer than 1048576 bytes" in str(refused(tmp_path / "endless.toml"))


def test_a_key_in_a_job_file_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(GOOD + 'api_key = "0123SECRET"')
    error = refused(tmp_path / "job.toml")
    assert "api_key: unknown key" in str(error)
    assert "SECRET" not in str(error) + error.hint


def test_what_the_command_line_says_wrongly_is_called_an_argument(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(GOOD + "[delivery]\nconcurrency = 4")
    overrides = Overrides(
        name="a b",
        zone="Mars",
        concurrency=0,
        rate=0,
        max_share=1.5,
        tolerate="x",
        first=0,
        csv={"delimiter": ""},
        columns={"attribute.Tier": "tier", "attributes.A": {"value": None}},
        options={"silent": "perhaps"},
        runs_dir="",
    )
    tier = 'argument columns."attribute.Tier": unknown field of profiles'
    assert refused(tmp_path / "job.toml", overrides).problems == (
        f"argument concurrency: expected {CONCURRENCY}, got 0",
        f"argument rate: expected {speed.RATE}, got 0",
        "argument max_share: expected a share above 0 and up to 1, such as 0.5 or 50%, got 1.5",
        'argument name: expected a name for a folder: letters, digits, . _ -, got "a b"',
        'argument csv.delimiter: expected one ASCII character, got ""',
        'argument tolerate: expected a number of rows, or a share such as "1%", got "x"',
        'argument zone: expected a time zone such as Europe/Berlin, got "Mars"',
        "argument first: expected a number of rows from 1, got 0",
        f'{tier} (did you mean "attributes.Tier"?); expected one of {PROFILE_FIELDS}',
        'argument columns."attributes.A".value: expected a value that JSON has, got null',
        'argument options.silent: expected true or false (the API\'s yes or no), got "perhaps"',
    )
    assert str(refused(tmp_path / "job.toml", Overrides(to="profile"))) == (
        f"argument to: expected an operation, such as {NAMES}; "
        'got "profile" (did you mean "profiles"?)'
    )


def test_a_problem_of_the_file_that_an_argument_replaces_is_none(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(
        'operation = "profile"\nsource = "a.csv"\n[delivery]\nconcurrency = "adapted"'
    )
    job = load_job(tmp_path / "job.toml", Overrides(to="profiles", concurrency=3))
    assert job.delivery.concurrency == 3


@pytest.mark.parametrize(
    ("what", "to", "message", "hint"),
    [
        ([], None, "nothing to load", NAMES),
        (["a.csv"], None, "a.csv: it is not said which operation", "add --to OPERATION (profiles"),
        (["a.csv", "b.toml"], "profiles", "b.toml is a job file, and stands alone", "itself"),
        ([""], "profiles", "argument source[0]: expected a path", "operations profiles"),
    ],
)
def test_sources_without_an_operation_are_refused(
    what: list[str], to: str | None, message: str, hint: str
) -> None:
    with pytest.raises(JobError) as caught:
        job_from(what, Overrides(to=to))
    assert str(caught.value).startswith(message)
    assert hint in caught.value.hint


def test_a_job_file_that_cannot_be_opened_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.symlink_to(path)
    assert "the job file cannot be read: Too many levels of symbolic links" in str(refused(path))


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"source": ["caf\udce9.csv"]}, "source[0]: expected a path"),
        ({"runs_dir": "d\udce9"}, "runs_dir: expected a path"),
        ({"csv": {"null_values": ["", "\udce9"]}}, "csv.null_values[1]: expected a list of texts"),
        ({"delivery": {"rate": 10**400}}, "delivery.rate: expected a number of requests"),
        ({"columns": {"a": {"min": 10**400}}}, "columns.a.min: expected a number"),
    ],
)
def test_bytes_that_are_no_text_and_numbers_without_end_are_told_of(
    said: dict[str, object], problem: str
) -> None:
    problems = Problems()
    assert schema.check(said, problems) == {}
    assert [told.startswith(f"argument {problem}") for told in problems.found] == [True]
