"""Times: always with an offset, never moved, and no date that is not in the calendar."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.mapping import times

BERLIN = "Europe/Berlin"
DIGITS = st.text("0123456789", min_size=2, max_size=2)


def standard(*cells: str, zone: str = "UTC") -> list[str | None]:
    return pl.DataFrame({"": cells}).select(times.standard(pl.col(""), zone)).to_series().to_list()


def formatted(form: str, *cells: str, zone: str = "UTC") -> list[str | None]:
    read = times.by_format(pl.col(""), form, zone)
    return pl.DataFrame({"": cells}).select(read).to_series().to_list()


def in_calendar(cell: str) -> bool:
    try:
        date.fromisoformat(cell)
    except ValueError:
        return False
    return True


@given(st.lists(st.builds("{}{}-{}-{}".format, DIGITS, DIGITS, DIGITS, DIGITS)))
def test_a_date_is_taken_if_and_only_if_it_is_in_the_calendar(cells: list[str]) -> None:
    cells = [cell for cell in cells if not cell.startswith("0000")]  # Python begins with year 1
    expected = [f"{cell}T00:00:00Z" if in_calendar(cell) else None for cell in cells]
    assert standard("2000-02-29", *cells) == ["2000-02-29T00:00:00Z", *expected]


def test_the_leap_days_of_a_thousand_years_are_known() -> None:
    days = [f"{year}-02-29" for year in range(1600, 2600)]
    assert [day is not None for day in standard(*days)] == [in_calendar(day) for day in days]


@given(
    st.datetimes(
        min_value=datetime.fromisoformat("1900-01-01"),
        max_value=datetime.fromisoformat("2037-01-01"),
    )
)
def test_a_local_time_gets_the_offset_of_the_zone(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, fold=0)
    there = moment.replace(tzinfo=ZoneInfo(BERLIN))
    again = there.astimezone(UTC).astimezone(ZoneInfo(BERLIN)).replace(tzinfo=None)
    is_once = again == moment and there.utcoffset() == there.replace(fold=1).utcoffset()
    expected = there.isoformat() if is_once else None
    for cell in (moment.isoformat(), moment.isoformat(sep=" ")):
        assert standard(cell, zone=BERLIN) == [expected]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        ("2026-01-31 10:00:00+02:00", "2026-01-31T10:00:00+02:00"),
        ("2026-01-31 10:00:00.120", "2026-01-31T10:00:00.120Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("1997-02-31", None),
        ("1997-02-31T10:00:00Z", None),
        ("2026-01-31T24:00:00Z", None),
        ("2026-01-31T10:60:00Z", None),
        ("2016-12-31T23:59:60Z", None),
        ("2026-01-31T10:00:00+24:00", None),
        ("2026-01-31T10:00:00+0200", None),
        ("2026-01-31T10:00Z", None),
        ("2026-01-31T10:00:00.Z", None),
        ("2026-01-31t10:00:00z", None),
        ("2026-1-31", None),
        (" 2026-01-31", None),
        ("2026-01-31\n", None),
        ("31.01.2026", None),
        ("1767225600", None),
        ("", None),
    ],
)
def test_these_are_times_and_those_are_not(cell: str, written: str | None) -> None:
    assert standard(cell) == [written]


def test_an_hour_that_is_not_there_or_there_twice_is_not_guessed() -> None:
    cells = ("2026-03-29T02:30:00", "2026-10-25T02:30:00", "2026-07-01")
    assert standard(*cells, zone=BERLIN) == [None, None, "2026-07-01T00:00:00+02:00"]


@given(st.lists(st.dates(min_value=date(1000, 1, 1)), min_size=1))
def test_a_format_reads_what_it_writes(days: list[date]) -> None:
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%b %d, %Y"):
        cells = [day.strftime(form) for day in days]
        assert formatted(form, *cells) == [f"{day.isoformat()}T00:00:00Z" for day in days]


@pytest.mark.parametrize(
    ("form", "cell", "written"),
    [
        ("%d/%m/%Y", "31/12/1997", "1997-12-31T00:00:00Z"),
        ("%d/%m/%Y", "31/02/1997", None),
        ("%d/%m/%Y", "8/1/1997", None),
        ("%-d/%-m/%Y", "8/1/1997", "1997-01-08T00:00:00Z"),
        ("%d/%m/%Y", "08/01/97", None),
        ("%d/%m/%y", "08/01/97", "1997-01-08T00:00:00Z"),
        ("%d-%b-%y", "08-JAN-97", "1997-01-08T00:00:00Z"),
        ("%Y-%m-%d", "1997-01-08 ", None),
        ("%-d/%-m/%Y", " 8/1/1997", None),
        ("%Y-%m-%d", "0000-00-00", None),
        ("%Y%m%d", "1997018", None),
        ("%Y-%m-%d %H:%M:%S", "1997-01-08 10:00:60", None),
        ("%Y-%m-%d %H:%M:%S%.f", "1997-01-08 10:00:00.25", "1997-01-08T10:00:00.250Z"),
        ("%d.%m.%Y %H:%M", "08.01.1997 10:30", "1997-01-08T10:30:00Z"),
        ("%Y-%m-%dT%H:%M:%S%z", "1997-01-08T10:00:00+0200", "1997-01-08T08:00:00Z"),
        ("%s", "1000000000", "2001-09-09T01:46:40Z"),
    ],
)
def test_a_format_is_taken_at_its_word(form: str, cell: str, written: str | None) -> None:
    assert formatted(form, cell, "") == [written, None]


def test_a_format_without_an_offset_is_read_in_the_zone_and_one_with_it_is_not() -> None:
    assert formatted("%d.%m.%Y", "01.07.2026", zone=BERLIN) == ["2026-07-01T00:00:00+02:00"]
    assert formatted("%d.%m.%Y %H:%M", "29.03.2026 02:30", zone=BERLIN) == [None]
    assert formatted("%s", "0", zone=BERLIN) == ["1970-01-01T00:00:00Z"]


@pytest.mark.parametrize("form", ["%H:%M", "%Y-%m", "%d", "abc", "%", "%Q", "%Y-%m-%d %H", ""])
def test_a_format_that_does_not_tell_the_day_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="format"):
        times.dtype_of(form)


def test_a_format_of_python_that_polars_reads_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("`%.f`")):
        times.dtype_of("%Y-%m-%dT%H:%M:%S.%f")


def test_typed_dates_and_datetimes_keep_their_moment() -> None:
    noon = datetime(2026, 7, 1, 12, 0, 0, 250_000)  # noqa: DTZ001 - naive on purpose
    frame = pl.DataFrame({"d": [noon.date()], "n": [noon], "u": [noon.replace(tzinfo=UTC)]})
    frame = frame.with_columns(b=pl.col("u").dt.convert_time_zone(BERLIN))
    written = frame.select(
        times.native(pl.col(name), dtype, BERLIN).alias(name)
        for name, dtype in frame.schema.items()
    )
    assert written.row(0) == (
        "2026-07-01T00:00:00+02:00",
        "2026-07-01T12:00:00.250+02:00",
        "2026-07-01T12:00:00.250Z",
        "2026-07-01T14:00:00.250+02:00",
    )


@given(
    st.datetimes(
        min_value=datetime.fromisoformat("0001-01-02"),
        max_value=datetime.fromisoformat("9999-12-30"),
    )
)
def test_what_is_written_is_the_same_moment(moment: datetime) -> None:
    cell = pl.DataFrame({"": [moment]}, schema={"": pl.Datetime("us")})
    text = cell.select(times.native(pl.col(""), pl.Datetime("us"), "UTC")).item()
    assert datetime.fromisoformat(text) - moment.replace(tzinfo=UTC) == timedelta(0)


def test_a_year_of_five_digits_cannot_be_written() -> None:
    cell = pl.DataFrame({"": [3_000_000_000]}).cast(pl.Datetime("ms")).cast(pl.Int64)
    far = (cell * 100_000).cast(pl.Datetime("ms"))
    assert far.select(times.native(pl.col(""), pl.Datetime("ms"), "UTC")).item() is None
