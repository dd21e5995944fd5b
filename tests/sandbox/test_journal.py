"""The state survives the process: what was answered is there after a restart, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.door import Desk, Reply, profiles

NAMES = st.sampled_from(["A", "B", "C"])
VALUES = st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=5))
REFERRALS = "/v1/referrals_for_multiple_advocates?silent=no"
STATES = st.sampled_from(["open", "closed", "cancelled"])


def bulk(name: str, value: object) -> tuple[str, str, object]:
    return "PUT", "/v2/customer_profiles?silent=no", profiles(name, value=value)


def half_bad(name: str) -> tuple[str, str, object]:
    rows = [{"integrationId": name}, {"integrationId": 1}]
    return "PUT", "/v2/customer_profiles", {"customerProfiles": rows}


def referral(name: str) -> tuple[str, str, object]:
    body = {"campaignId": 1, "usageLimit": 0, "advocateProfileIntegrationIds": [name, "D"]}
    return "POST", REFERRALS, body


def session(name: str, state: str) -> tuple[str, str, object]:
    wish = {"profileId": name, "state": state, "couponCodes": ["SUMMER"]}
    return "PUT", "/v2/customer_sessions/s1", {"customerSession": wish}


def event(name: str) -> tuple[str, str, object]:
    return "POST", "/v2/events", {"type": "viewed", "profileId": name}


REQUESTS = st.one_of(
    st.builds(bulk, NAMES, VALUES),
    st.builds(half_bad, NAMES),
    st.builds(referral, NAMES),
    st.builds(session, NAMES, STATES),
    st.builds(event, NAMES),
)
KEYS = st.one_of(st.none(), st.sampled_from(["k1", "k2"]))


def all_of(desk: Desk) -> dict[str, Any]:
    """Return everything that a client, or a test, could ever see of the account."""
    store, tally = desk.engine.store, desk.engine.tally
    held = {kind: dict(store.held(kind, None)) for kind in store.tables()}
    kinds = ("profile", "session", "coupon", "event")
    histories = {kind: dict(tally.histories(kind)) for kind in kinds}
    applied = {name: counts["applied"] for name, counts in tally.operations.items()}
    return {"held": held, "histories": histories, "applied": applied}


def ask(desk: Desk, request: tuple[str, str, object], key: str | None) -> Reply:
    return desk.ask(*request, **({"idempotency_key": key} if key else {}))


@given(
    requests=st.lists(st.tuples(REQUESTS, KEYS), max_size=12),
    seed=st.integers(0, 3),
    refusal=st.sampled_from(["whole", "partial"]),
)
def test_a_restart_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    requests: list[tuple[tuple[str, str, object], str | None]],
    seed: int,
    refusal: str,
) -> None:
    folder = str(tmp_path_factory.mktemp("account"))
    desk = Desk(seed, data=folder, bulk_refusal=refusal, effects="sample")
    for request, key in requests:
        ask(desk, request, key)
        desk.now += 1
    before = all_of(desk)
    desk.engine.close()
    again = Desk(seed, data=folder, bulk_refusal=refusal, effects="sample")
    again.now = desk.now
    assert all_of(again) == before
    replays = desk.engine.answered.replays, again.engine.answered.replays
    for request, key in requests:  # the account of the first goes on in memory, to compare with
        assert ask(again, request, key).status == ask(desk, request, key).status
    after = desk.engine.answered.replays, again.engine.answered.replays
    assert after[0] - replays[0] == after[1] - replays[1]
    again.engine.close()


def test_a_stored_answer_is_replayed_after_a_restart(tmp_path: Path) -> None:
    desk = Desk(data=str(tmp_path))
    request = bulk("A", 1)
    first = ask(desk, request, "k1")
    ask(desk, bulk("A", 2), None)
    desk.engine.close()
    again = Desk(data=str(tmp_path))
    assert ask(again, request, "k1") == first
    assert again.engine.store.profiles["A"].attributes == {"value": 2}
    again.engine.close()


def test_other_switches_do_not_rewrite_what_was(tmp_path: Path) -> None:
    folder = str(tmp_path)
    desk = Desk(data=folder, merge="replace")
    for attributes in ({"a": 1}, {"b": 2}):
        desk.ask("PUT", "/v2/customer_profiles", profiles("A", **attributes))
    desk.engine.close()
    again = Desk(data=folder)
    assert again.engine.store.profiles["A"].attributes == {"b": 2}
    again.ask("PUT", "/v2/customer_profiles", profiles("A", c=3))
    assert again.engine.store.profiles["A"].attributes == {"b": 2, "c": 3}
    again.engine.close()


def test_a_line_that_was_cut_short_is_dropped(tmp_path: Path) -> None:
    folder = str(tmp_path)
    desk = Desk(data=folder)
    for name in ("A", "B"):
        desk.ask("PUT", "/v2/customer_profiles", profiles(name))
    desk.engine.close()
    whole = (tmp_path / "journal").read_bytes()
    for cut in (1, 5, len(json.dumps(profiles("B"))) + 3):
        (tmp_path / "journal").write_bytes(whole[:-cut])
        again = Desk(data=folder)
        assert list(again.engine.store.profiles) == ["A"]
        again.ask("PUT", "/v2/customer_profiles", profiles("C"))
        again.engine.close()
        third = Desk(data=folder)
        assert list(third.engine.store.profiles) == ["A", "C"]
        third.engine.close()


def test_what_was_answered_is_read_by_another_at_once(tmp_path: Path) -> None:
    desk = Desk(data=str(tmp_path))
    desk.ask("PUT", "/v2/customer_profiles", profiles("A"))
    assert b'"integrationId": "A"' in (tmp_path / "journal").read_bytes()
    desk.engine.close()


def test_two_sandboxes_cannot_share_a_folder(tmp_path: Path) -> None:
    desk = Desk(data=str(tmp_path))
    with pytest.raises(ValueError, match="another sandbox"):
        Desk(data=str(tmp_path))
    desk.engine.close()


def test_a_reset_forgets_what_is_on_disk(tmp_path: Path) -> None:
    desk = Desk(data=str(tmp_path))
    desk.ask("PUT", "/v2/customer_profiles", profiles("A"))
    desk.engine.reset()
    desk.ask("PUT", "/v2/customer_profiles", profiles("B"))
    desk.engine.close()
    again = Desk(data=str(tmp_path))
    assert list(again.engine.store.profiles) == ["B"]
    again.engine.close()


def test_the_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    desk = Desk(data=str(tmp_path / "account"))
    desk.engine.close()
    assert (tmp_path / "account").stat().st_mode & 0o077 == 0


def test_a_journal_of_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b'{"version":99,"size":0}\n\n')
    with pytest.raises(ValueError, match="journal: written by another version"):
        Desk(data=str(tmp_path))
