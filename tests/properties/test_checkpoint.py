"""A staging that is interrupted, however often, ends as one that was not; and late is not slow.

Any small files, any sizes of blocks, batches and parts; a process dies before or after the ledger
has named a part, the next one seeks to the checkpoint. Rows, lines, keys and reasons must be those
of a staging that nothing interrupted, each once; batches must be lawful, though not the same.
"""

import itertools
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.checkpoint import Checkpoint, Course
from pipeline.preparation import Mark
from pipeline.stages.staging import Reached
from tests.properties.interrupted import FIELDS, SEQ, Case, Death, Sizes, Staging

CELLS = st.sampled_from(["a", "", "é", "two\nlines", "q,uote", '"', "x" * 40, "\r\n"])


@st.composite
def files(draw: st.DrawFn, operation: str) -> list[bytes]:
    """One to three files: rows that are good, that are not, and that cannot be read."""
    keys = draw(st.sampled_from([2, 30, 10_000]))  # all repeat, some do, hardly any
    seldom = draw(st.sampled_from([0, 1, 5]))
    made, number = [], 0
    for _ in range(draw(st.integers(1, 3))):
        head = [*FIELDS[operation], SEQ[operation] or "other"]
        lines = [",".join(head)]
        for _ in range(draw(st.sampled_from([0, 5, 40, 60]))):
            number += 1
            kind = draw(st.integers(0, 19))
            key = str(draw(st.integers(0, keys)))
            if operation == "sessions" and kind < 18:
                key = f"s{number // 3}"  # rows of a session stand together, nearly always
            note = draw(CELLS) if operation != "sessions" else "sku"
            if operation == "coupon-reservations":
                note = draw(st.sampled_from(["CODE-A", "CODE-B"])) if keys == 30 else "CODE-A"
            seq = "none" if kind < seldom else str(number)
            key = "" if kind < seldom and not SEQ[operation] else key
            note = '"' + note.replace('"', '""') + '"'
            cells = (
                [key, note, seq, "one too many"] if 10 <= kind < 10 + seldom else [key, note, seq]
            )
            lines.append("" if kind == 19 and seldom else ",".join(cells))
        made.append("\n".join(lines).encode() + draw(st.sampled_from([b"", b"\n"])))
    return made


SIZES = st.builds(
    Sizes,
    block_rows=st.sampled_from([1, 5, 16, 1000]),
    block_bytes=st.sampled_from([100, 300, 1 << 20]),
    batch_rows=st.sampled_from([1, 3, 7, 1000]),
    body_bytes=st.sampled_from([200, 1 << 20]),
    pool_rows=st.sampled_from([5, 20, 1000]),
    part_rows=st.sampled_from([1, 8, 20]),
    rejected_rows=st.sampled_from([1, 3, 1000]),
    parts_between=st.sampled_from([1, 3, 10]),
)
DEATHS = st.lists(st.builds(Death, part=st.integers(1, 8), named=st.booleans()), max_size=6)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    operation = draw(st.sampled_from(list(FIELDS)))
    return Case(
        operation=operation, files=draw(files(operation)), sizes=draw(SIZES), deaths=draw(DEATHS)
    )


@given(case=cases())
@settings(max_examples=60)
def test_an_interrupted_staging_ends_as_one_that_was_not(case: Case) -> None:
    with case.staged() as (dying, whole):
        expected = whole.outcome()
        assert dying.outcome() == expected
        assert int(expected["rows"]) == sum(expected["totals"].values())
        assert all(count == 1 for count in expected["staged"].values())
        check_batches(case, dying)


def check_batches(case: Case, staging_: Staging) -> None:
    """Numbers, sizes and order of batches: as lawful as those of one process."""
    parts = staging_.read("staged")
    if not parts:
        return
    rows = pl.concat(parts)
    with staging_.ledger() as ledger:
        sizes = [size for size, _ in ledger.staged_batches()]
    assert rows["batch"].rle().struct.field("len").to_list() == sizes
    assert rows["batch"].rle().struct.field("value").to_list() == list(range(1, len(sizes) + 1))
    unique = case.operation in ("profiles", "coupon-reservations")
    last: dict[tuple[str, ...], tuple[str, int]] = {}
    for (_,), batch in rows.group_by("batch", maintain_order=True):
        if unique:
            assert batch["key"].is_unique().all()
        if case.operation == "coupon-reservations":
            assert batch["couponValue"].n_unique() == 1
    lane = ["key", "couponValue"] if case.operation == "coupon-reservations" else ["key"]
    for *key, file, row in rows.select(*lane, "file", "row").rows():
        place = (file, row)
        assert last.get(tuple(key), ("", 0)) < place
        last[tuple(key)] = place


# ── late is not slow ─────────────────────────────────────────────────────────────────────────────

ROWS_LATE = 400
TINY = Sizes(
    block_rows=10,
    block_bytes=300,
    batch_rows=5,
    body_bytes=1 << 20,
    pool_rows=1000,
    part_rows=20,
    rejected_rows=1000,
    parts_between=3,
)
TOGETHER = replace(TINY, block_rows=30, block_bytes=100)
"""Several blocks of the source are prepared together."""
NEAR = 4 * TINY.part_rows + 60
"""Rows that may be read again: those whose rejected neighbours are not yet written, and a block."""


def late(deaths: Sequence[Death], *, every: int = 1000, twins: Sequence[int] = ()) -> Case:
    """Two files whose rows agree, with a bad one now and then; *twins* have one key, each twice."""
    keys = [f"k{row - row % 2 if row in twins else row}" for row in range(ROWS_LATE)]
    lines = [f"{key},note,{'none' if n % every == 7 else n}\n" for n, key in enumerate(keys)]
    head, half = "integrationId,attributes.Note,attributes.Seq\n", ROWS_LATE // 2
    files = [(head + "".join(part)).encode() for part in (lines[:half], lines[half:])]
    return Case(operation="profiles", files=files, sizes=TINY, deaths=deaths)


@pytest.mark.parametrize("sizes", [TINY, TOGETHER], ids=["blocks", "blocks together"])
@pytest.mark.parametrize("every", [1000, 23])
@pytest.mark.parametrize("named", [True, False])
def test_what_lies_before_the_checkpoint_is_not_read_again(
    sizes: Sizes, every: int, named: bool
) -> None:
    deaths = [Death(part=8, named=named), Death(part=5, named=named), Death(part=3, named=named)]
    with replace(late(deaths, every=every), sizes=sizes).staged() as (dying, whole):
        assert dying.outcome() == whole.outcome()
        done = [0, *itertools.accumulate((d.part - (not d.named)) for d in deaths)]
        for read, parts in zip(dying.read_by, done, strict=True):
            assert read <= ROWS_LATE - parts * TINY.part_rows + NEAR


def test_where_rows_are_gathered_only_now_and_then_a_resume_still_seeks() -> None:
    """A key that comes twice: its batch takes a row from further on, and soon all are in order."""
    twins = [60, 61]
    with late([Death(part=12, named=True)], twins=twins).staged() as (dying, whole):
        assert dying.outcome() == whole.outcome()
        assert dying.read_by[-1] <= ROWS_LATE - 11 * TINY.part_rows + NEAR


def test_rows_that_make_one_request_are_gone_through_again() -> None:
    """Whether a session was seen before is known to nobody who has not read what was before."""
    lines = [f"s{0 if row == 150 else row // 3},sku,{row + 1}\n" for row in range(ROWS_LATE)]
    file = "customerSessionId,cartItem.sku,cartItem.quantity\n" + "".join(lines)
    deaths = [Death(part=3, named=True), Death(part=8, named=True)]
    case = Case(operation="sessions", files=[file.encode()], sizes=TINY, deaths=deaths)
    with case.staged() as (dying, whole):
        assert dying.outcome() == whole.outcome()
        assert dying.outcome()["rejected"].total() == 1
        assert dying.read_by[-1] == ROWS_LATE


def mixed() -> Case:
    """Rows that agree, and from 200 on hardly any two that stand together do."""
    coupons = [
        f"CODE-{'AAAABBC'[row * row % 7] if row >= 200 else 'A'}" for row in range(ROWS_LATE)
    ]
    lines = [f"k{row},{coupon},{row}\n" for row, coupon in enumerate(coupons)]
    file = "integrationId,couponValue,other\n" + "".join(lines)
    return Case(operation="coupon-reservations", files=[file.encode()], sizes=TINY, deaths=())


def test_where_rows_were_gathered_the_next_process_begins_where_this_one_did() -> None:
    """The second process has moved the checkpoint on before it gathers; it is set back then."""
    with mixed().begun() as (dying, whole):
        dying.process(Death(part=5, named=True))
        begun = dying.checkpoint()
        assert begun.rows == 5 * TINY.part_rows
        for death in (Death(part=8, named=True), Death(part=1, named=True), None):
            dying.process(death)
            assert death is None or dying.checkpoint() == begun
        assert dying.outcome() == whole.outcome()
        *_, second, third, fourth = dying.read_by
        assert second <= third <= fourth == ROWS_LATE - begun.mark.read


def test_while_it_recognises_a_process_moves_no_checkpoint() -> None:
    """Though rows of a part may wait only in one that was begun by another version."""
    begun = Checkpoint(mark=Mark(read=10), rows=12, batches=3)
    course = Course(begun=begun, staged_before=5)
    course.passes(begun.mark)
    for batches, expected in ((3, begun), (4, begun), (5, replace(begun, rows=20, batches=5))):
        reached = Reached(rows=20, rejected=0, batches=batches)
        assert course.after(reached, in_order=True) == expected
        assert Checkpoint.from_json(expected.to_json()) == expected
