"""The pointer of an error names the row, in every form of API.md §2.10; and never another row.

The law is stated over a reader of pointers, so that readers with a fault can be held against it:
each mutant below must break it, else it tests nothing.
"""

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.model import Answer
from pipeline.operations import OPERATIONS, Operation, find
from pipeline.stages.delivery.answers import (
    ERRORS_MAX,
    TEXT_MAX,
    cause_of,
    errors_of,
    read_refusal,
    row_named,
)

Reader = Callable[[Operation, str], int | None]
BULK = [operation for operation in OPERATIONS if operation.bulk]
ENVELOPES = [operation.envelope for operation in BULK]
# Words that could be taken for an index, or for an envelope.
TAIL = st.sampled_from(
    ["attributes", "attributes/A3", "attributes/4", "attributes.Tier2", "audienceId", "7", "0"]
)


@st.composite
def indexed(draw: st.DrawFn, operation: Operation) -> tuple[str, int]:
    """A pointer that names a row, in one of the written forms, and that row."""
    index = draw(st.integers(0, 999) | st.integers(0, 10**6))
    start = draw(st.sampled_from(["/", ""])) + operation.envelope
    tail = draw(st.none() | TAIL)
    form = draw(st.sampled_from(["/{}", ".{}", "[{}]"]))
    joint = "." if form == ".{}" or (form == "[{}]" and draw(st.booleans())) else "/"
    end = "" if tail is None else joint + tail
    return start + form.format(index) + end, index


@st.composite
def unindexed(draw: st.DrawFn, operation: Operation) -> str:
    """A pointer that names no row of *operation*: relative, of another list, or of nothing."""
    tail, number = draw(TAIL), draw(st.integers(0, 999))
    others = [envelope for envelope in [*ENVELOPES, "items"] if envelope != operation.envelope]
    other, own = draw(st.sampled_from(others)), operation.envelope
    return draw(
        st.sampled_from(
            [
                "",
                "/",
                f"/{tail}",
                tail,
                own,
                f"/{own}",
                f"/{own}/",
                f"/{own}/{tail.replace('7', 'x').replace('0', 'x')}",
                f"/{own}{number}",
                f"/{own}/A{number}",
                f"/{own}/{number}th",
                f"/{own}/{number}-{number}",
                f"/{own}/-{number}",
                f"/my{own}/{number}",
                f"/attributes/{own}/{number}",
                f"/{other}/{number}",
                f"{other}[{number}].{own}",
                f"/{number}/{own}",
                f"/{own}/{'9' * 30}",
            ]
        )
    )


def hold_the_law(read: Reader, examples: int = 200) -> None:
    """Raise AssertionError unless *read* finds the row that a pointer names, and only that."""

    # No shrinking: a mutant's counterexample is thrown away.
    @settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        report_multiple_bugs=False,
    )
    @given(st.data())
    def law(data: st.DataObject) -> None:
        operation = data.draw(st.sampled_from(BULK))
        pointer, index = data.draw(indexed(operation))
        assert read(operation, pointer) == index, pointer
        pointer = data.draw(unindexed(operation))
        assert read(operation, pointer) is None, pointer

    law()


def test_a_pointer_names_its_row_and_no_other() -> None:
    hold_the_law(row_named)


def of_pattern(pattern: str) -> Reader:
    """Return a reader that searches for *pattern*, with ENVELOPE and ANY to be filled in."""

    def read(operation: Operation, pointer: str) -> int | None:
        filled = pattern.replace("ENVELOPE", re.escape(operation.envelope))
        found = re.search(filled.replace("ANY", "|".join(ENVELOPES)), pointer)
        return int(found[1]) if found else None

    return read


def shifted(by: int) -> Reader:
    def read(operation: Operation, pointer: str) -> int | None:
        index = row_named(operation, pointer)
        return None if index is None else max(0, index + by)

    return read


MUTANTS: dict[str, Reader] = {
    "one too far": shifted(1),
    "counts from one": shifted(-1),
    "any envelope": of_pattern(r"^/?(?:ANY)[/.\[](\d{1,9})(?![\w-])"),
    "no envelope": of_pattern(r"^/?\w*[/.\[](\d{1,9})(?![\w-])"),
    "an envelope anywhere": of_pattern(r"ENVELOPE[/.\[](\d{1,9})(?![\w-])"),
    "the last number": of_pattern(r"^/?ENVELOPE.*?(\d+)\D*$"),
    "the first number anywhere": of_pattern(r"^/?ENVELOPE\D*(\d+)"),
    "digits of a name": of_pattern(r"^/?ENVELOPE[/.\[]\w*?(\d{1,9})(?![\w-])"),
    "a number with letters after it": of_pattern(r"^/?ENVELOPE[/.\[](\d{1,9})"),
    "one digit": of_pattern(r"^/?ENVELOPE[/.\[](\d)"),
    "three digits": of_pattern(r"^/?ENVELOPE[/.\[](\d{1,3})(?![\w-])"),
    "slashes only": of_pattern(r"^/?ENVELOPE/(\d{1,9})(?![\w-])"),
    "no brackets": of_pattern(r"^/?ENVELOPE[/.](\d{1,9})(?![\w-])"),
    "no dots": of_pattern(r"^/?ENVELOPE[/\[](\d{1,9})(?![\w-])"),
    "a slash before it": of_pattern(r"^/ENVELOPE[/.\[](\d{1,9})(?![\w-])"),
    "nothing before it": of_pattern(r"^ENVELOPE[/.\[](\d{1,9})(?![\w-])"),
    "no row ever": lambda _operation, _pointer: None,
    "always the first row": lambda _operation, _pointer: 0,
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_reader_with_a_fault_breaks_the_law(mutant: str) -> None:
    with pytest.raises((AssertionError, ExceptionGroup)):
        hold_the_law(MUTANTS[mutant])


# ── whole answers ────────────────────────────────────────────────────────────────────────────────


def operation(name: str) -> Operation:
    found = find(name)
    assert found is not None
    return found


def answer(*errors: object, message: object = "The submitted data was invalid") -> Answer:
    body = {"message": message, "errors": list(errors), "StatusCode": 400}
    return Answer(status=400, body=json.dumps(body).encode())


def error(pointer: str, title: str = "enum", details: str = "not one of them") -> dict[str, object]:
    return {"title": title, "details": details, "source": {"pointer": pointer}}


@given(st.sets(st.integers(0, 1200), max_size=8), st.integers(2, 1000), st.data())
def test_each_row_gets_the_first_error_that_names_it(
    bad: set[int], rows: int, data: st.DataObject
) -> None:
    """Rows that the request does not have are nobody's: they name nothing."""
    errors = [error(f"/customerProfiles/{n}/attributes/A3", details=f"of {n}") for n in sorted(bad)]
    errors += [error(f"/customerProfiles/{n}", details="later") for n in sorted(bad)]
    refusal = read_refusal(operation("profiles"), answer(*errors), rows)
    assert set(refusal.named) == {n for n in bad if n < rows}
    assert all(found.details == f"of {n}" for n, found in refusal.named.items())
    assert not refusal.everything


def test_an_error_about_what_all_rows_share_is_about_all_rows() -> None:
    for pointer in ("/campaignId", "campaignId", "/attributes/Channel", "/expiryDate"):
        refusal = read_refusal(operation("referrals"), answer(error(pointer)), 1000)
        assert refusal.everything, pointer
        assert refusal.named == {}


def test_a_relative_pointer_into_a_row_names_no_row_and_not_all() -> None:
    refusal = read_refusal(operation("profiles"), answer(error("/attributes/Tier")), 1000)
    assert refusal.named == {}
    assert not refusal.everything
    assert refusal.first.pointer == "/attributes/Tier"


def test_an_error_of_the_only_row_is_about_it() -> None:
    assert read_refusal(operation("profiles"), answer(), 1).everything


@pytest.mark.parametrize("member", ["pointer", "parameter", "line"])
def test_the_place_is_kept_whatever_the_api_calls_it(member: str) -> None:
    found = errors_of(answer({"title": "t", "source": {member: "here"}}))
    assert found[0].pointer == "here"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"message": "cut in the mid',
        b"[]",
        b"null",
        b"17",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"errors": ' + b"[" * 100_000,
        b'{"errors": {"title": "no list"}}',
        b'{"errors": [null, 1, "x", []]}',
        b'{"errors": [{"title": null, "details": 5, "source": "none"}]}',
        b'{"errors": [{"source": {"pointer": {"a": 1}}}]}',
        b'{"message": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_the_apis_is_shown_and_never_raises(body: bytes) -> None:
    found = errors_of(Answer(status=502, body=body))
    assert len(found) >= 1
    for shown in found:
        assert len(shown.title) + len(shown.details) + len(shown.pointer) <= 3 * TEXT_MAX
    assert found[0].title
    for each in OPERATIONS:
        refusal = read_refusal(each, Answer(status=502, body=body), 10)
        assert refusal.named == {}


@given(st.binary(max_size=200), st.integers(1, 20))
def test_no_bytes_whatever_make_it_raise(body: bytes, rows: int) -> None:
    read_refusal(operation("audiences"), Answer(status=400, body=body), rows)


def test_texts_and_errors_are_bounded() -> None:
    long = answer(*[error("/data/0", details="x" * 2001)] * (ERRORS_MAX + 5))
    found = errors_of(long)
    assert len(found) == ERRORS_MAX
    assert len(found[0].details) == TEXT_MAX


def test_a_cause_is_the_words_without_the_values() -> None:
    first = errors_of(answer(error("/data/1/audienceId", details='Audience 17 ("gold") is gone')))
    again = errors_of(answer(error("/data/900/audienceId", details='Audience 4 ("tin") is gone')))
    other = errors_of(answer(error("/data/900/action", details='Audience 4 ("tin") is gone')))
    assert cause_of(first[0]) == cause_of(again[0]) != cause_of(other[0])


def test_a_single_row_operation_has_no_list_to_point_into() -> None:
    single = replace(operation("profiles"), rows_max=1, envelope="")
    assert row_named(single, "/customerProfiles/0") is None
