"""The sample data says what its README says. Knows nothing of the loader.

The constants were counted over cdnow_master.txt with awk, not with the script under test.
"""

import csv
import importlib.util
import io
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

SAMPLES = Path(__file__).parent.parent / "sample_data"
README = (SAMPLES / "README.md").read_text(encoding="utf-8")

CUSTOMERS = 23_570
PURCHASES = 69_659
CENTS = 250_031_563
CUSTOMERS_BY_TIER = {"bronze": 12_830, "silver": 6_545, "gold": 3_461, "platinum": 734}


def load_messy() -> ModuleType:
    """Import the script messy.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("messy", SAMPLES / "messy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["messy"] = module
    spec.loader.exec_module(module)
    return module


messy = load_messy()


def read_text(name: str) -> pl.DataFrame:
    """Read a sample CSV with every column as text."""
    return pl.read_csv(SAMPLES / name, infer_schema=False)


def cents() -> pl.Expr:
    """Return spend as whole cents, by way of its text."""
    return pl.col("spend").str.replace(".", "", literal=True).cast(pl.Int64)


def derive(source: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """Run derive.py as a user would."""
    command = [sys.executable, str(SAMPLES / "derive.py"), str(source), "--into", str(into)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def csv_rows() -> list[tuple[int, list[str]]]:
    """Read customers_messy.csv by the standard library: first line and cells of each row.

    Decoded as latin-1, which maps every byte to one character and so never fails.
    """
    text = (SAMPLES / "customers_messy.csv").read_bytes().decode("latin-1")
    reader = csv.reader(io.StringIO(text, newline=""))
    found, line = [], 1
    for cells in reader:
        found.append((line, cells))
        line = reader.line_num + 1
    return found[1:]


def readme_table() -> list[list[str]]:
    """Return the cells of each row in the table of the README's last part."""
    _, _, part = README.partition(messy.TABLE_STARTS)
    rows = [line for line in part.splitlines() if re.match(r"\| \d", line)]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))] for row in rows
    ]


def test_customers_are_all_there_in_order_with_their_zeros() -> None:
    ids = read_text("customers.csv")["customer_id"].to_list()
    assert ids == [f"{number:05}" for number in range(1, CUSTOMERS + 1)]


def test_customers_csv_has_the_promised_header_and_bare_line_feeds() -> None:
    raw = (SAMPLES / "customers.csv").read_bytes()
    assert raw.startswith(messy.HEADER)
    assert raw.endswith(b"\n")
    assert b"\r" not in raw
    assert raw.isascii()


def test_orders_and_spend_add_up_to_the_purchases_of_the_source() -> None:
    customers = read_text("customers.csv")
    assert customers["spend"].str.contains(r"^\d+\.\d\d$").all()
    assert customers["orders"].cast(pl.Int64).sum() == PURCHASES
    assert customers.select(cents())["spend"].sum() == CENTS


def test_purchases_lie_in_the_months_of_the_source() -> None:
    dates = read_text("customers.csv").select(
        pl.col("first_purchase", "last_purchase").str.to_date("%Y-%m-%d", strict=True)
    )
    first, last = dates["first_purchase"], dates["last_purchase"]
    assert (first <= last).all()
    assert (str(first.min()), str(first.max())) == ("1997-01-01", "1997-03-25")
    assert str(last.max()) == "1998-06-30"


def test_tiers_follow_the_thresholds_of_the_readme() -> None:
    stated = re.findall(r"^\| (\w+) \| \$(\d+) \| (\d+) \| ([\d,]+) \|$", README, re.MULTILINE)
    assert {tier: int(count.replace(",", "")) for tier, _, _, count in stated} == CUSTOMERS_BY_TIER
    customers = read_text("customers.csv").with_columns(cents())
    floors = {tier: int(dollars) * 100 for tier, dollars, _, _ in stated}
    ceilings = dict(zip(floors, [*list(floors.values())[1:], 10**9], strict=True))
    for tier, count in CUSTOMERS_BY_TIER.items():
        spend = customers.filter(tier=tier)["spend"]
        assert len(spend) == count
        assert spend.is_between(floors[tier], ceilings[tier], closed="left").all()


def test_audiences_are_the_tiers_of_all_customers() -> None:
    members = pl.read_parquet(SAMPLES / "audience_members.parquet")
    assert members.schema == {
        "customer_id": pl.String,
        "audience_id": pl.Int64,
        "action": pl.String,
    }
    customers = read_text("customers.csv")
    assert members["customer_id"].equals(customers["customer_id"])
    assert members["action"].unique().to_list() == ["add"]
    audience = {"bronze": 101, "silver": 102, "gold": 103, "platinum": 104}
    assert members["audience_id"].to_list() == [audience[tier] for tier in customers["tier"]]


def test_advocates_are_the_customers_of_highest_spend() -> None:
    advocates = read_text("referrals.csv")["customer_id"]
    assert len(advocates) == advocates.n_unique() == 2_500
    customers = read_text("customers.csv").with_columns(cents())
    top = customers.filter(pl.col("customer_id").is_in(advocates.implode()))["spend"]
    others = customers.filter(~pl.col("customer_id").is_in(advocates.implode()))["spend"]
    assert len(top) == 2_500
    assert top.min() >= others.max()


def test_campaigns_are_shuffled_and_say_the_same_of_all_their_referrals() -> None:
    referrals = read_text("referrals.csv")
    assert len(referrals["campaign"].rle()) == 1_309  # the README: 1,308 changes
    constants = referrals.drop("customer_id").unique().sort("campaign").rows()
    assert constants == [
        ("45", "2035-06-30", "5", "CDNOW-####-####"),
        ("78", "2035-12-31", "10", "VIP-####-####"),
    ]


def test_derive_sums_up_a_small_source(tmp_path: Path) -> None:
    source = tmp_path / "master.txt"
    source.write_bytes(
        b" customer_id  date number_of_cds  dollar_value\r\n"
        b" 00007 19970112  1   12.00\r\n"
        b" 00007 19970112  5   77.10\r\n"
        b" 00007 19980102 12  410.90\r\n"
        b" 00003 19970228  1    0.00\r\n"
    )
    done = derive(source, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "customers.csv").read_bytes() == messy.HEADER + (
        b"00003,1997-02-28,1997-02-28,1,0.00,bronze\n"
        b"00007,1997-01-12,1998-01-02,3,500.00,platinum\n"
    )
    members = pl.read_parquet(tmp_path / "audience_members.parquet")
    assert members.rows() == [("00003", 101, "add"), ("00007", 104, "add")]
    advocates = pl.read_csv(tmp_path / "referrals.csv", infer_schema=False)["customer_id"]
    assert sorted(advocates) == ["00003", "00007"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "No such file"),
        (b" customer_id\r\n 00001 19970101  1   11.77\r\n 2,3\r\n", "line 3 is not a purchase"),
    ],
)
def test_derive_refuses_another_source_in_one_sentence(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    source = tmp_path / "master.txt"
    if content is not None:
        source.write_bytes(content)
    done = derive(source, tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "customers.csv").exists()


def test_messy_file_and_its_table_are_those_of_the_script() -> None:
    assert (SAMPLES / "customers_messy.csv").read_bytes() == messy.csv_bytes()
    assert README.endswith(messy.TABLE_STARTS + "\n" + messy.table())


def test_messy_table_numbers_rows_and_lines_as_the_csv_module_does() -> None:
    found = [[str(row), str(line)] for row, (line, _) in enumerate(csv_rows(), 1)]
    assert [cells[:2] for cells in readme_table()] == found
    assert f"| `customers_messy.csv` | {len(found)} |" in README


def test_messy_table_tells_every_kind_of_trouble_and_its_fate() -> None:
    table = readme_table()
    assert {len(cells) for cells in table} == {5}
    assert {cells[3] for cells in table} == {"delivered", "rejected"}
    assert all(cells[4] for cells in table)
    troubles = [cells[2] for cells in table if not cells[2].startswith("none")]
    assert len(troubles) == len(set(troubles)) > 25


def test_messy_rows_without_six_columns_are_rejected_with_the_count_found() -> None:
    for (_, cells), row in zip(csv_rows(), messy.ROWS, strict=True):
        count = f"{len(cells)} column{'s' if len(cells) != 1 else ''}, expected 6"
        if not cells:
            count = "blank line"
        assert (len(cells) != 6) == (row.sent is None and not row.faults), row.trouble
        assert len(cells) == 6 or row.reason == count, row.trouble


def test_messy_rows_that_are_delivered_send_the_id_of_the_file() -> None:
    for number, (_, cells) in enumerate(csv_rows(), 1):
        profile = messy.ROWS[number - 1].profile(number)
        if profile is not None:
            assert profile["integrationId"] == cells[0].encode("latin-1").decode("utf-8")
            assert 1 <= len(profile["integrationId"]) <= 1_000


def test_messy_rows_leave_empty_cells_out_and_keep_the_others() -> None:
    names = ["FirstPurchase", "LastPurchase", "Orders", "Spend", "Tier"]
    for number, (_, cells) in enumerate(csv_rows(), 1):
        profile = messy.ROWS[number - 1].profile(number)
        if profile is not None:
            filled = [name for name, cell in zip(names, cells[1:], strict=True) if cell]
            assert list(profile.get("attributes", {})) == filled
            assert profile.get("attributes") != {}


@pytest.mark.parametrize("name", ["README.md", "derive.py"])
def test_the_source_is_credited(name: str) -> None:
    text = " ".join((SAMPLES / name).read_text(encoding="utf-8").replace("*", "").split())
    assert "published for research by Bruce Hardie and Peter Fader" in text
    assert "MIT-licensed Python package `lifetimes`" in text
