"""Derive the sample data from the CDNOW purchases: real customers, few enough to load at once.

The source, `cdnow_master.txt`, holds every purchase, January 1997 to June 1998, of the 23,570
customers who first bought at CDNOW in the first quarter of 1997. It was published for research by
Bruce Hardie and Peter Fader, and is distributed, among others, with the MIT-licensed Python package
`lifetimes`.

    python sample_data/derive.py path/to/cdnow_master.txt

writes the files of FILES beside this one; the same source gives the same rows every time. Knows
nothing of the loader, so that it cannot share its mistakes.
"""

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl

PURCHASE = r"^ (?<customer_id>\d{5}) (?<date>\d{8}) +(?<cds>\d+) +(?<dollars>\d+\.\d\d)$"

ADVOCATES = 2_500
SESSIONS = 600
EVENTS = 600
NEW_YEAR = date(1998, 1, 1)
SPRING = date(1997, 5, 1)

# Each tier with the spend in dollars that it starts at, and its audience.
TIERS = pl.DataFrame(
    {
        "tier": ["bronze", "silver", "gold", "platinum"],
        "from_spend": [0, 50, 150, 500],
        "audience_id": [101, 102, 103, 104],
    },
    schema_overrides={"from_spend": pl.Decimal(12, 2)},
)

# What a campaign says of all its referrals. The dates lie far ahead so that the sample stays valid.
CAMPAIGNS = pl.DataFrame(
    {
        "campaign": [45, 78],
        "valid_until": ["2035-06-30", "2035-12-31"],
        "usage_limit": [5, 10],
        "code_pattern": ["CDNOW-####-####", "VIP-####-####"],
    }
)


def purchases(source: Path) -> pl.DataFrame:
    """Read the purchases: customer_id (text), date, dollars (exact), in the order of the file.

    Raises ValueError with the number of the first line that is not a purchase.
    """
    lines = pl.Series("line", source.read_text(encoding="ascii").splitlines()[1:], dtype=pl.String)
    parts = lines.str.extract_groups(PURCHASE).struct.unnest()
    strange = parts["customer_id"].is_null()
    if strange.any():
        first = strange.arg_true()[0]
        raise ValueError(f"{source} line {first + 2} is not a purchase: {lines[first]!r}")
    return parts.select(
        "customer_id",
        pl.col("date").str.to_date("%Y%m%d"),
        pl.col("cds").cast(pl.Int64),
        # Decimal, not float: 69,659 prices must add up to the cent.
        pl.col("dollars").cast(pl.Decimal(12, 2)),
    )


def customers(bought: pl.DataFrame) -> pl.DataFrame:
    """Sum up the purchases: one row per customer, by id; the columns of customers.csv in order."""
    totals = bought.group_by("customer_id").agg(
        first_purchase=pl.col("date").min(),
        last_purchase=pl.col("date").max(),
        orders=pl.len(),
        spend=pl.col("dollars").sum().cast(pl.Decimal(12, 2)),
    )
    tiered = totals.sort("spend").join_asof(TIERS, left_on="spend", right_on="from_spend")
    return tiered.sort("customer_id").drop("from_spend", "audience_id")


def referrals(everyone: pl.DataFrame) -> pl.DataFrame:
    """Make the customers of highest spend advocates of two campaigns, in no order at all.

    A request names one campaign. With the campaigns shuffled, a loader that only looks at
    neighbouring rows sends over a thousand requests, and one that gathers sends four.
    """
    # Arithmetic in place of a random generator: the same shuffle with every version of everything.
    place = pl.col("customer_id").cast(pl.Int64) * 7_919 % 100_003
    advocates = everyone.sort("spend", "customer_id", descending=[True, False]).head(ADVOCATES)
    return (
        advocates.sort(place)
        .select("customer_id", campaign=pl.when(place % 2 == 0).then(45).otherwise(78))
        .cast({"campaign": pl.Int64})
        .join(CAMPAIGNS, on="campaign", maintain_order="left")
    )


def audience_members(everyone: pl.DataFrame) -> pl.DataFrame:
    """Make each tier an audience: one row per customer, by id."""
    members = everyone.join(TIERS, on="tier", maintain_order="left")
    return members.select("customer_id", "audience_id", action=pl.lit("add"))


# ── what came later: a sample for each of the other operations ──────────────────────────────────


def coupon_reservations(everyone: pl.DataFrame) -> pl.DataFrame:
    """Reserve a coupon of their tier for all gold and platinum customers, in no order at all."""
    place = pl.col("customer_id").cast(pl.Int64) * 7_919 % 100_003
    chosen = everyone.filter(pl.col("tier").is_in(["gold", "platinum"])).sort(place)
    return chosen.select(_coupon(), "customer_id")


def withdrawn_reservations(everyone: pl.DataFrame) -> pl.DataFrame:
    """Take the coupon back from those of them who never came again after April 1997."""
    best = everyone.filter(pl.col("tier").is_in(["gold", "platinum"]))
    return best.filter(pl.col("last_purchase") < SPRING).select(_coupon(), "customer_id")


def coupons(everyone: pl.DataFrame) -> pl.DataFrame:
    """List the coupons that are reserved."""
    return coupon_reservations(everyone).select("coupon").unique().sort("coupon")


def _coupon() -> pl.Expr:
    # A blank and a percent sign: values of a path are to be encoded.
    return pl.format("{} 10%OFF", pl.col("tier").str.to_uppercase()).alias("coupon")


def invitations(everyone: pl.DataFrame) -> pl.DataFrame:
    """Let each platinum customer invite who came next on the day of their first purchase."""
    by_day = everyone.sort("first_purchase", "customer_id").with_columns(
        friend=pl.col("customer_id").shift(-1).over("first_purchase")
    )
    best = by_day.filter((pl.col("tier") == "platinum") & pl.col("friend").is_not_null())
    return best.sort("customer_id").select("customer_id", "friend", campaign=pl.lit(78)).head(200)


def tier_changes(bought: pl.DataFrame) -> pl.DataFrame:
    """Find the customers whose purchases of 1998 have moved them to a higher tier."""
    before = customers(bought.filter(pl.col("date") < NEW_YEAR))
    now = customers(bought).select("customer_id", "tier", "spend")
    both = now.join(before.select("customer_id", was="tier"), on="customer_id")
    audience = pl.col("audience_id").cast(pl.String)
    ids = TIERS.select("tier", audience)
    moved = both.filter(pl.col("tier") != pl.col("was")).sort("customer_id")
    return (
        moved.join(ids.rename({"audience_id": "joins"}), on="tier", maintain_order="left")
        .join(ids.rename({"tier": "was", "audience_id": "leaves"}), on="was", maintain_order="left")
        .select("customer_id", "tier", "spend", "joins", "leaves")
        .gather_every(3)
    )


def cart_lines(bought: pl.DataFrame) -> pl.DataFrame:
    """Make a session of each day on which a customer bought more than once: a line a purchase."""
    lines = bought.with_columns(
        session=pl.format("{}-{}", "customer_id", pl.col("date").dt.strftime("%Y%m%d")),
        sku=pl.format("CD-{}", "cds"),
    ).filter(pl.len().over("session") > 1)
    chosen = lines.select(pl.col("session").unique(maintain_order=True).head(SESSIONS))
    return lines.join(chosen, on="session", how="semi", maintain_order="left").select(
        "session", "customer_id", "date", "sku", "dollars", state=pl.lit("closed")
    )


def carts(bought: pl.DataFrame) -> pl.DataFrame:
    """Give the same sessions a row each, with the cart as a list of objects."""
    line = pl.struct(
        "sku",
        name=pl.col("sku").str.replace("CD-", "CDs: "),
        quantity=pl.lit(1, pl.Int64),
        price=pl.col("dollars").cast(pl.Float64),
    )
    return (
        cart_lines(bought)
        .group_by("session", "customer_id", "state", maintain_order=True)
        .agg(cart=line, total=pl.col("dollars").sum().cast(pl.Float64))
    )


def purchase_events(bought: pl.DataFrame) -> pl.DataFrame:
    """Make an event of each purchase, by the customers who bought first of all."""
    number = pl.int_range(1, pl.len() + 1).over("customer_id")
    return bought.select(
        pl.format("{}/{}", "customer_id", number).alias("event"),
        "customer_id",
        "date",
        "cds",
        "dollars",
        pl.format("{}-{}", "customer_id", pl.col("date").dt.strftime("%Y%m%d")).alias("session"),
    ).head(EVENTS)


def articles(bought: pl.DataFrame) -> pl.DataFrame:
    """Make an article of each number of CDs that was ever bought at once, at its median price."""
    return (
        bought.filter(pl.col("cds") > 0)
        .group_by("cds")
        .agg(price=pl.col("dollars").cast(pl.Float64).median().round(2))
        .sort("cds")
        .select(sku=pl.format("CD-{}", "cds"), name=pl.format("CDs: {}", "cds"), price="price")
    )


def erasures(everyone: pl.DataFrame) -> pl.DataFrame:
    """Name the customers who never spent anything, to be forgotten."""
    return everyone.filter(pl.col("spend") == 0).select("customer_id")


def platinum(everyone: pl.DataFrame) -> pl.DataFrame:
    """Name the customers of the highest tier."""
    return everyone.filter(pl.col("tier") == "platinum").select("customer_id")


OF_CUSTOMERS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "referrals.csv": referrals,
    "audience_members.parquet": audience_members,
    "coupon_reservations.csv": coupon_reservations,
    "withdrawn_reservations.csv": withdrawn_reservations,
    "coupons.csv": coupons,
    "invitations.csv": invitations,
    "erasures.csv": erasures,
    "platinum.parquet": platinum,
}
OF_PURCHASES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "customers.csv": customers,
    "tier_changes.csv": tier_changes,
    "cart_lines.csv": cart_lines,
    "carts.parquet": carts,
    "purchases.csv": purchase_events,
    "articles.parquet": articles,
}
FILES = (*OF_CUSTOMERS, *OF_PURCHASES)


def main() -> None:
    """Write all files beside this script."""
    parser = argparse.ArgumentParser(description="Derive the sample data from cdnow_master.txt.")
    parser.add_argument("source", type=Path, help="path of cdnow_master.txt")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent, help="folder to write")
    arguments = parser.parse_args()
    try:
        bought = purchases(arguments.source)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    everyone = customers(bought)
    frames = {name: make(everyone) for name, make in OF_CUSTOMERS.items()}
    frames |= {name: make(bought) for name, make in OF_PURCHASES.items()}
    for name, frame in frames.items():
        path = arguments.into / name
        if path.suffix == ".parquet":
            frame.write_parquet(path)
        else:
            frame.write_csv(path)


if __name__ == "__main__":
    main()
