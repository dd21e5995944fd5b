"""Derive the sample data from the CDNOW purchases: real customers, few enough to load at once.

The source, `cdnow_master.txt`, holds every purchase, January 1997 to June 1998, of the 23,570
customers who first bought at CDNOW in the first quarter of 1997. It was published for research by
Bruce Hardie and Peter Fader, and is distributed, among others, with the MIT-licensed Python package
`lifetimes`.

    python sample_data/derive.py path/to/cdnow_master.txt

writes customers.csv, referrals.csv and audience_members.parquet beside this file; the same source
gives the same rows every time. Knows nothing of the loader, so that it cannot share its mistakes.
"""

import argparse
from pathlib import Path

import polars as pl

PURCHASE = r"^ (?<customer_id>\d{5}) (?<date>\d{8}) +(?<cds>\d+) +(?<dollars>\d+\.\d\d)$"

ADVOCATES = 2_500

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


def main() -> None:
    """Write the three files beside this script."""
    parser = argparse.ArgumentParser(description="Derive the sample data from cdnow_master.txt.")
    parser.add_argument("source", type=Path, help="path of cdnow_master.txt")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent, help="folder to write")
    arguments = parser.parse_args()
    try:
        everyone = customers(purchases(arguments.source))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    everyone.write_csv(arguments.into / "customers.csv")
    referrals(everyone).write_csv(arguments.into / "referrals.csv")
    audience_members(everyone).write_parquet(arguments.into / "audience_members.parquet")


if __name__ == "__main__":
    main()
