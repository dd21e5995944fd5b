"""Did you mean …? is asked where there is something like it, and not where there is nothing."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.hints import closest


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("integratonId", ' (did you mean "integrationId"?)'),
        ("INTEGRATIONID", ' (did you mean "integrationId"?)'),
        ("campain", ' (did you mean "Campaign"?)'),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_closest_name_is_asked_for(name: str, hint: str) -> None:
    assert closest(name, ["Campaign", "integrationId", "campaign"]) == hint


def test_only_so_many_names_are_looked_at() -> None:
    assert closest("c7", (f"c{number}" for number in count())) == ' (did you mean "c7"?)'


@given(st.text(), st.lists(st.text(), max_size=5))
def test_a_hint_is_empty_or_names_an_option(name: str, options: list[str]) -> None:
    hint = closest(name, options)
    assert hint == "" or hint in {f' (did you mean "{option}"?)' for option in options}
