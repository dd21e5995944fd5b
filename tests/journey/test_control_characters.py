"""Control characters are seen wherever they come from, also where a file has none."""

from pathlib import Path

import pytest

from pipeline.config.toml import Overrides, job_from
from pipeline.preparation import Preparation

PLAIN = b"integrationId,name\nc1,Ann\nc2,Bob\n"


@pytest.mark.parametrize(
    ("text", "rejected"),
    [
        (PLAIN, 0),
        (PLAIN + b"c3,B\x07b\n", 1),
        (PLAIN + b"c3,B\x00b\n", 1),
        (PLAIN + b"c3,B\x7fb\n", 1),
        (PLAIN + b'c3,"a\tb\nc"\n', 0),
        (PLAIN.replace(b"Ann", "Änn".encode()), 0),
    ],
)
def test_a_control_character_of_the_file_rejects_its_row(
    tmp_path: Path, text: bytes, rejected: int
) -> None:
    path = tmp_path / "customers.csv"
    path.write_bytes(text)
    columns = {"attributes.Name": "name"}
    job = job_from([str(path)], Overrides(to="profiles", columns=columns))
    (prepared,) = Preparation(job).blocks()
    assert len(prepared.rejected) == rejected


def test_one_that_an_expression_makes_rejects_its_row_too(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_bytes(PLAIN)
    columns = {"attributes.Name": {"sql": "REPLACE(name, 'o', '\x07')"}}
    job = job_from([str(path)], Overrides(to="profiles", columns=columns))
    (prepared,) = Preparation(job).blocks()
    assert prepared.rejected["row"].to_list() == [2]
