"""How fast a job may send, in the words of people."""

from collections.abc import Callable

import pytest

from pipeline.config import speed

NEVER = (True, None, "", "x", -1, 0, "00", float("nan"), float("inf"), "1e3", "- 3", [3])


@pytest.mark.parametrize(
    ("read", "said", "meant"),
    [
        (speed.concurrency, 12, 12),
        (speed.concurrency, "16", 16),
        (speed.concurrency, "adaptive", "adaptive"),
        (speed.rate, 2.5, 2.5),
        (speed.rate, "200", 200),
        (speed.rate, "200/s", 200),
        (speed.rate, "0.5 /s", 0.5),
        (speed.share, 0.25, 0.25),
        (speed.share, "50%", 0.5),
        (speed.share, "0.5", 0.5),
        (speed.share, "100 %", 1.0),
    ],
)
def test_people_say_it_in_several_ways(
    read: Callable[[object], object], said: object, meant: object
) -> None:
    assert read(said) == meant


@pytest.mark.parametrize("said", NEVER)
@pytest.mark.parametrize("read", [speed.concurrency, speed.rate, speed.share])
def test_what_is_no_such_number_is_not_guessed(
    read: Callable[[object], object], said: object
) -> None:
    with pytest.raises(ValueError, match=r"(200/s|50%|adaptive)"):
        read(said)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (speed.concurrency, 257),
        (speed.concurrency, 1.5),
        (speed.rate, "200/m"),
        (speed.share, 1.5),
        (speed.share, 50),
        (speed.share, "101%"),
    ],
)
def test_what_is_too_much_is_said(read: Callable[[object], object], said: object) -> None:
    with pytest.raises(ValueError, match=r"(200/s|50%|adaptive)"):
        read(said)
