"""`preview` and `validate`: what would be sent, and what would not, without sending it."""

import json
from pathlib import Path

from tests.cli.shell import ROOT, Shell

NOWHERE = {"TALON_ONE_API_KEY": "", "TALON_ONE_BASE_URL": ""}


def test_preview_shows_requests_as_the_api_would_get_them(
    shell: Shell, customers: Path, environment: dict[str, str]
) -> None:
    shown = shell("preview", customers, "--to", "profiles", "-n", "2", "--json", **NOWHERE)
    values = json.loads(shown.stdout)
    (request,) = values["requests"]
    assert (request["method"], request["target"]) == ("PUT", "/v2/customer_profiles?silent=yes")
    assert request["body"] == {
        "customerProfiles": [
            {"integrationId": "00001", "attributes": {"Tier": "gold"}},
            {"integrationId": "00002", "attributes": {"Tier": "gold"}},
        ]
    }
    assert (values["rows_read"], values["rejected"]) == (2, [])
    assert not Path(environment["PIPELINE_RUNS_DIR"]).exists()


def test_preview_tells_what_is_wrong_with_the_first_rows(shell: Shell, mixed: Path) -> None:
    shown = shell("preview", mixed, "--to", "profiles", "-n", "3", **NOWHERE)
    assert shown.exit_code == 0
    assert '"integrationId": "3"' in shown.stdout
    assert '"integrationId": "5"' not in shown.stdout
    assert "2 of the first 3 rows, in 1 request" in shown.stdout
    assert "integrationId: is empty" in shown.stdout


def test_map_and_option_say_what_a_job_file_says(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "export.tsv"
    path.write_bytes("kunde\tstufe\nGröße\tgold\n".encode("cp1252"))
    words = ("--delimiter", "\\t", "--encoding", "cp1252", "--option", "silent=no")
    maps = ("--map", "integrationId=kunde", "--map", "attributes.Tier=stufe")
    shown = shell("preview", path, "--to", "profiles", *words, *maps, "--json")
    (request,) = json.loads(shown.stdout)["requests"]
    assert request["target"].endswith("?silent=no")
    assert request["body"]["customerProfiles"] == [
        {"integrationId": "Größe", "attributes": {"Tier": "gold"}}
    ]


def test_validate_checks_every_row_and_writes_nothing(
    shell: Shell, environment: dict[str, str]
) -> None:
    found = shell("validate", ROOT / "config" / "messy.toml", "--json", **NOWHERE)
    values = json.loads(found.stdout)
    assert found.exit_code == values["exit_code"] == 1
    assert (values["rows"], values["rejected"]) == (86, 45)
    assert sum(reason["rows"] for reason in values["reasons"]) >= 45
    assert values["examples"][0] == {
        "row": 3,
        "file": str(ROOT / "sample_data" / "customers_messy.csv"),
        "line": 4,
        "reasons": ["4 columns, expected 6"],
    }
    assert not Path(environment["PIPELINE_RUNS_DIR"]).exists()


def test_validate_of_good_rows_is_a_success(shell: Shell, customers: Path) -> None:
    found = shell("validate", customers, "--to", "profiles", **NOWHERE)
    assert (found.exit_code, found.stdout) == (0, "10 rows read, 0 rejected\n")


def test_faults_strike_only_a_sandbox_of_ones_own(shell: Shell, customers: Path) -> None:
    done = shell(
        "run", customers, "--to", "profiles", "--sandbox", "--fault", "503:100% times=1", "-v"
    )
    assert done.exit_code == 0
    assert "attempt 1 failed" in done.stderr


def test_a_source_may_be_too_small(shell: Shell, customers: Path) -> None:
    words = ("--to", "profiles", "--json")
    assert shell("run", customers, *words).exit_code == 0
    lines = customers.read_text().splitlines()
    customers.write_text("\n".join(lines[:6]) + "\n")
    stopped = shell("run", customers, *words, "--shrink-max", "20%")
    assert stopped.exit_code == 3
    assert json.loads(stopped.stdout)["delivered"] == 0
    assert shell("run", customers, *words, "--shrink-max", "5").exit_code == 0
    customers.write_text(lines[0] + "\n")
    assert shell("run", customers, *words, "--empty", "error").exit_code == 3
    assert shell("run", customers, *words, "--empty", "ok").exit_code == 0
