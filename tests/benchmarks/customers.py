"""`customers.py ROWS FILE`: made-up customers, ten columns, the same ones every time, as CSV.

A program of its own, so that its memory is not that of whoever measures. Written block by block:
any number of rows fits.
"""

import sys
from pathlib import Path

import polars as pl

BLOCK_ROWS = 500_000
DAY_S = 86_400
FIRST_NAMES = "Ada Zoë José Łukasz Mary O'Neil Björn 李 Anna Tom Fatima Igor Renée Max Lea Sam"
LAST_NAMES = (
    'Müller Smith Nguyễn García O"Brien Kowalski Schmidt Lee Ivanov Rossi Dubois Yılmaz Novák '
    "Jones Khan Li"
)
TIERS = "bronze silver gold platinum"
NUMBER = pl.col("number")


def drawn(salt: int, below: int) -> pl.Expr:
    """A whole number from 0 to below *below*, by the row's number."""
    return NUMBER.hash(salt) % below


def share(salt: int) -> pl.Expr:
    """A number above 0, up to 1."""
    return (drawn(salt, 2**32) + 1) / 2**32


def word(salt: int, words: str) -> pl.Expr:
    choice = pl.Series(words.split())
    return pl.lit(choice).gather(drawn(salt, len(choice)))


def since(year: int, seconds: pl.Expr, form: str) -> pl.Expr:
    return (pl.datetime(year, 1, 1) + pl.duration(seconds=seconds)).dt.strftime(form)


def customers(first: int, rows: int) -> pl.DataFrame:
    """*rows* customers from number *first* on; about 250 bytes of JSON each."""
    birthday = since(1950, drawn(8, 55 * 365) * DAY_S, "%Y-%m-%dT00:00:00Z")
    return pl.select(number=pl.int_range(first, first + rows)).select(
        customer_id=pl.format("cust-{}", NUMBER.cast(pl.String).str.zfill(9)),
        first_name=word(1, FIRST_NAMES),
        last_name=word(2, LAST_NAMES),
        email=pl.format("user{}@example.com", NUMBER),
        signup_date=since(2018, drawn(3, 8 * 365 * DAY_S), "%Y-%m-%dT%H:%M:%SZ"),
        is_vip=drawn(4, 10) == 0,
        lifetime_value=((share(5) * share(6)).log() * -250).round(2),
        orders=drawn(7, 15),
        tier=word(9, TIERS),
        birthday=pl.when(drawn(10, 10) >= 3).then(birthday),
    )


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    with Path(sys.argv[2]).open("wb") as file:
        for start in range(0, wanted, BLOCK_ROWS):
            block = customers(start, min(BLOCK_ROWS, wanted - start))
            block.write_csv(file, include_header=start == 0)
