"""The messy sample reads as its README says, as far as a source can tell."""

import re
from pathlib import Path

from pipeline.config.csv import CsvOptions
from pipeline.stages.source.locate import open_source
from tests.stages.source.memory import gathered

SAMPLES = Path(__file__).resolve().parents[3] / "sample_data"
TABLE_ROW = re.compile(r"\| (\d+) \| (\d+) \| .* \| (delivered|rejected) \| (.*) \|")
SOURCE_REASON = re.compile(r"\d columns?, expected 6|blank line|.*: (not valid UTF-8)")


def test_the_messy_sample_reads_as_its_readme_says() -> None:
    table = {
        int(number): (int(line), told)
        for number, line, _, told in TABLE_ROW.findall((SAMPLES / "README.md").read_text())
    }
    rows = gathered(open_source([str(SAMPLES / "customers_messy.csv")], CsvOptions()).blocks())

    assert len(table) == len(rows.good) + len(rows.broken) > 80
    assert rows.lines | rows.broken_lines == {number: line for number, (line, _) in table.items()}
    expected = {n: m for n, (_, told) in table.items() if (m := SOURCE_REASON.fullmatch(told))}
    assert rows.broken.keys() == expected.keys()
    for number, reason in rows.broken.items():
        assert (expected[number][1] or expected[number][0]) in reason


def test_the_clean_samples_have_no_broken_row() -> None:
    for name, count in (("customers.csv", 23_570), ("referrals.csv", 2_500)):
        rows = gathered(open_source([str(SAMPLES / name)], CsvOptions()).blocks())
        assert len(rows.good) == count
        assert not rows.broken
