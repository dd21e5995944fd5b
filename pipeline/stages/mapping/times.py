"""Times → RFC 3339 text with an offset, the only form that the API takes (API.md §2.5).

A time that has an offset stays as it came; one without gets that of the job's zone. A local time
that does not exist in the zone (clocks go forward), or exists twice (they go back), is null, and so
is a leap second. Expressions only.
"""

import datetime as dt
import re
import warnings

import polars as pl

# A day that exists, as a regular expression: half the price of parsing it, and nothing is lenient.
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = (
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP_YEAR}-02-29)"
)
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_LOCAL = rf"{_DATE}T{_CLOCK}:[0-5][0-9](?:\.[0-9]+)?"
RFC3339 = f"^{_LOCAL}(?:Z|[+-]{_CLOCK})$"
LOCAL, DATE = f"^{_LOCAL}$", f"^{_DATE}$"
SECONDS_LENGTH = len("2026-01-31T10:00:00")
WRITTEN = "%Y-%m-%dT%H:%M:%S%.f"
YEAR_MAX = 9999
"""RFC 3339 has four digits for it."""
EXAMPLE = dt.datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001 - of no zone in particular
# Directives that write a moment in one way only, so that what was read can be held against what
# they write. (`%.f` reads .5 and .500, `%-d` reads 8 and 08, `%:z` writes another zone.)
_ONE_WAY = re.compile("%[YmdHMSyFTRDjIpbBaAh%]")


def standard(cell: pl.Expr, zone: str) -> pl.Expr:
    """Read text: RFC 3339, `2026-01-31T10:00:00` or `2026-01-31`; a blank may stand for the T."""
    usual = pl.when(cell.str.contains(RFC3339)).then(cell)
    midnight = pl.when(cell.str.contains(DATE)).then(cell + "T00:00:00")
    # What is left is nothing as a rule, and then it costs next to nothing.
    is_left = cell.is_not_null() & usual.is_null() & midnight.is_null()
    rest = pl.when(is_left).then(cell).str.replace("^(.{10}) ", "${1}T")
    other = pl.when(rest.str.contains(RFC3339)).then(rest)
    local = midnight.fill_null(pl.when(rest.str.contains(LOCAL)).then(rest))
    return pl.coalesce(usual, other, local + offset(local, zone))


def offset(local: pl.Expr, zone: str) -> pl.Expr:
    """Return the offset of *zone* at a local time in text: `Z`, `+01:00`, or null for none."""
    if zone == "UTC":
        return pl.lit("Z")
    seconds = local.str.slice(0, SECONDS_LENGTH)
    moment = seconds.str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False, cache=False)
    return in_zone(moment, zone).dt.strftime("%:z")


def by_format(cell: pl.Expr, form: str, zone: str) -> pl.Expr:
    """Read text by the strptime format *form*; null where the format would write it otherwise.

    chrono alone would take `97` for `%Y` (the year 97), blanks before a number, and the second 60:
    hence the comparison. Upper and lower case are the same (JAN).
    """
    moment = cell.str.to_datetime(form, strict=False, time_unit="us", cache=False)
    fits = cell == cell.str.strip_chars()
    if "%" not in _ONE_WAY.sub("", form):
        fits = moment.dt.strftime(form).str.to_lowercase() == cell.str.to_lowercase()
    absolute = "%s" in form or dtype_of(form).time_zone is not None
    return write(pl.when(fits).then(moment), "UTC" if absolute else zone)


def write(moment: pl.Expr, zone: str) -> pl.Expr:
    """Write a datetime without a zone, or in UTC, as a time of *zone*."""
    moment = pl.when(moment.dt.year().is_between(0, YEAR_MAX)).then(moment)
    if zone == "UTC":
        return moment.dt.strftime(f"{WRITTEN}Z")
    return in_zone(moment, zone).dt.strftime(f"{WRITTEN}%:z")


def in_zone(moment: pl.Expr, zone: str) -> pl.Expr:
    """Return a local datetime as one of *zone*; null where there is not exactly one."""
    return moment.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")


def native(cell: pl.Expr, dtype: pl.DataType, zone: str) -> pl.Expr:
    """Write a Date (midnight in *zone*) or a Datetime; one with a zone keeps its offset."""
    if isinstance(dtype, pl.Datetime) and dtype.time_zone not in (None, "UTC"):
        return pl.when(cell.dt.year().is_between(0, YEAR_MAX)).then(
            cell.dt.strftime(f"{WRITTEN}%:z")
        )
    if isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC":
        zone = "UTC"
    return write(cell.cast(pl.Datetime("us")) if dtype == pl.Date else cell, zone)


def dtype_of(form: str) -> pl.Datetime:
    """Return what a strptime format reads: a datetime in UTC if it knows the offset.

    Raises ValueError for a format that cannot tell a date from what it has written.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # polars warns of `.%f`, which reads no fraction
            dtype = pl.Series([], dtype=pl.String).str.to_datetime(form).dtype
            aware = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
            example = pl.Series([EXAMPLE])
            example = example.dt.replace_time_zone("UTC") if aware else example
            read = example.dt.strftime(form).str.to_datetime(form, strict=False)
    except (pl.exceptions.PolarsError, pl.exceptions.ChronoFormatWarning) as error:
        raise ValueError(f'format "{form}": {str(error).splitlines()[0]}') from error
    if not isinstance(dtype, pl.Datetime) or read.dt.date()[0] != EXAMPLE.date():
        raise ValueError(f'format "{form}" does not tell year, month and day')
    return dtype


def is_zone(zone: str) -> bool:
    """Say whether *zone* is in the time zone database."""
    if zone == "UTC":  # looking takes 0.01 s
        return True
    try:
        pl.Series([EXAMPLE]).dt.replace_time_zone(zone)
    except pl.exceptions.PolarsError:
        return False
    return True
