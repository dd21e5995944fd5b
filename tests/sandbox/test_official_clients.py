"""The official clients, of today and of yesterday, cannot tell the sandbox from the API.

Both import as `talon_one`. Today's is in the environment of the tests; the last of the older kind
is installed, once, into a folder of pytest's cache, and runs with nothing else to import.
Importing today's takes seconds, so each client tells all its stories in one process.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.sandbox.embedded import Embedded
from tests.sandbox.door import Door

CALLS = Path(__file__).with_name("client_calls.py")
OLD = "talon-one-python-sdk==9.0.0"
PROFILE, COUPON = "A 1/é?%", "SUMMER25%OFF/ä b"
CUTS = "cut-after on profiles-one-by-one, referrals-one-by-one from=3"  # the story `repeats`


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """What one client told, and what the sandbox saw of it."""

    new: bool
    told: dict[str, Any]
    seen: list[dict[str, Any]]


@pytest.fixture(scope="session")
def old_client(request: pytest.FixtureRequest) -> str:
    """The folder with the older client and what it needs."""
    folder: Path = request.config.cache.mkdir("talon-one-python-sdk-9.0.0")
    ready = folder / "ready"
    if not ready.exists():
        making = folder / f"making-{os.getpid()}"  # another worker may be at it too
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", str(making), OLD], check=True, timeout=110)
        try:
            making.rename(ready)
        except OSError:
            shutil.rmtree(making)
    return str(ready)


def tell(command: list[str], **environment: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    with Embedded(faults=CUTS, options={"coupons": f"SUMMER,{COUPON}"}) as sandbox:
        ran = subprocess.run(
            [sys.executable, *command[:-1], str(CALLS), sandbox.base_url, *command[-1].split()],
            env={**os.environ, "TALON_ONE_API_KEY": sandbox.api_key, **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        door = Door(sandbox.base_url, sandbox.api_key)
        seen = door.ask("GET", "/_sandbox/requests").body["requests"]
        door.connection.close()
    return json.loads(ran.stdout), seen


@pytest.fixture(scope="session", params=["26.2", "9.0.0"])
def tale(request: pytest.FixtureRequest) -> Tale:
    """All stories of one of the two clients."""
    if request.param == "26.2":
        told, seen = tell(["eleven errors repeats"])
    else:
        folder = request.getfixturevalue("old_client")
        told, seen = tell(["-S", "eleven errors repeats"], PYTHONPATH=folder)
    return Tale(new=request.param == "26.2", told=told, seen=seen)


def test_the_eleven_operations_are_called_and_their_answers_read(tale: Tale) -> None:
    assert tale.told["eleven"] == {
        "profiles": [PROFILE, "B"],
        "attributes": {"Tier": "gold", "N": 1.5, "B": True, "Language": "de"},
        "audiences": [2],
        "referral": "F",
        "codes": ["REF-", "REF-"],
        "advocates": ["A", "B"],
        "reserved": 2,
        "reservers": [PROFILE, "B"],
        "left": 1,
        "dry": 28,
        "total": 28,
        "effects": ["acceptCoupon", "rejectCoupon"],
        "event": "pageViewed",
        "inventory": [PROFILE, [COUPON]],
        "erased": {},
    }
    answered = {one["operation"] for one in tale.seen if one["status"] in {200, 201, 204}}
    assert len(answered) == 12  # the eleven of the mission, and trackEventV2


def test_the_wire_is_as_it_was_recorded(tale: Tale) -> None:
    removal = next(one for one in tale.seen if one["method"] == "DELETE" and one["body"])
    assert removal["path"] == "/v1/coupon_reservations/SUMMER25%25OFF%2F%C3%A4%20b"
    assert json.loads(removal["body"]) == {"integrationIDs": ["B"]}
    queries = {one["query"] for one in tale.seen if "dry=" in one["query"]}
    assert any(f"dry={'true' if tale.new else 'True'}" in query for query in queries)


def test_refusals_are_raised_as_the_client_has_them(tale: Tale) -> None:
    names = {400: "BadRequestException", 404: "NotFoundException", 401: "UnauthorizedException"}
    errors = tale.told["errors"]
    statuses = {story: status for story, (_, status, _) in errors.items()}
    assert statuses == {"too many": 400, "unknown": 404, "transition": 400, "key": 401}
    for name, status, message in errors.values():
        assert name == (names[status] if tale.new else "ApiException")
        assert message


def test_a_cut_connection_meets_the_silent_repeats_of_the_client(tale: Tale) -> None:
    assert tale.told["repeats"] == {"put": "urllib3", "post": "urllib3"}
    cut = [one for one in tale.seen if one["status"] == 0]
    assert all(one["applied"] for one in cut)
    counts = Counter(one["operation"] for one in cut)
    assert counts == {"updateCustomerProfileV2": 4, "createReferral": 1}
