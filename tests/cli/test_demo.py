"""The demo: the whole journey on the sample data, wherever one stands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.operations import OPERATIONS
from tests.cli.shell import PATIENCE_S, ROOT, Shell


def test_the_demo_loads_everything_and_names_every_reject(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = shell("demo")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    table = {line.split()[0]: line.split()[2:6] for line in lines if len(line.split()) == 8}
    assert table["profiles"] == ["23,570", "23,570", "0", "0"]
    assert table["referrals"] == ["2,500", "2,500", "0", "0"]
    assert table["audiences"] == ["23,570", "23,570", "0", "0"]
    assert table["messy"] == ["86", "41", "45", "0"]
    head = next(n for n, line in enumerate(lines) if line.split() == ["row", "line", "reason"])
    rejects = lines[head + 1 : lines.index("", head)]
    assert len([line for line in rejects if line[:3].strip().isdigit()]) == 45
    for name in ("profiles", "referrals", "audiences", "messy"):
        (folder,) = [line.split()[1] for line in lines if line.startswith(f"  {name} ")]
        assert (Path(folder) / "results").is_dir()


def test_the_demo_in_json_is_one_object(shell: Shell) -> None:
    done = shell("demo", "--json")
    values = json.loads(done.stdout)
    assert values["exit_code"] == 0
    assert [run["exit_code"] for run in values["runs"]] == [0, 0, 0, 1]


@pytest.mark.slow
def test_the_demo_of_all_runs_every_job_file_what_destroys_last(shell: Shell) -> None:
    done = shell("demo", "--all", "--json")
    runs = json.loads(done.stdout)["runs"]
    assert done.exit_code == 0, done.output
    assert len(runs) == len(list((ROOT / "config").glob("*.toml")))
    assert {run["operation"] for run in runs} == {operation.name for operation in OPERATIONS}
    assert all(run["rows"] == run["delivered"] + run["rejected"] for run in runs)
    destroying = [operation.name for operation in OPERATIONS if operation.destructive]
    assert {run["operation"] for run in runs[-len(destroying) :]} == set(destroying)


def test_without_the_repository_the_demo_says_what_it_needs(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__")
    )
    refused = subprocess.run(
        [sys.executable, "-m", "pipeline", "demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert refused.returncode == 2
    assert "the sample data is not here" in refused.stderr
    assert "clone of the repository" in refused.stderr
