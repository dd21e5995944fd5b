"""Whatever a job file says is either read or told of, in the words of the house; nothing breaks."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import schema
from pipeline.config.problems import Problems

TABLES = (
    schema.JOB_KEYS,
    schema.COLUMN_KEYS,
    schema.CSV_KEYS,
    schema.DELIVERY_KEYS,
    schema.LIMITS_KEYS,
)
KEYS = sorted({key for table in TABLES for key in table} | {"", "x"})
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "a", "1%", "adaptive", "profiles", "ok", "string", "caf\udce9", 10**400]),
    st.dates(),
    st.times(),
    st.datetimes(),
)


def tables(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(KEYS), values, max_size=4)


VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | tables(inner), max_leaves=10
)


@given(tables(VALUES))
def test_a_job_file_is_read_whole_or_told_what_is_wrong_with_it(said: dict[str, object]) -> None:
    problems = Problems(file="job.toml")
    read = schema.check(said, problems)
    if problems.found:
        assert read == {}
        assert all("expected " in problem for problem in problems.found)
    else:
        assert set(read) == set(said)
