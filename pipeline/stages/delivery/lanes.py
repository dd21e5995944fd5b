"""The same key never twice in flight, and in order: who must wait for whom; pure.

Knows keys as 64-bit hashes and nothing of requests. Two keys of one hash only make one request
wait for another without need. Whatever does not share a key overtakes whatever waits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket:
    """A place in the lanes of `keys`; `admit` is called once, when every lane is free."""

    keys: frozenset[int]
    admit: Callable[[], None]
    waits_for: int = 0
    waiters: "list[Ticket]" = field(default_factory=list)


class Lanes:
    """Tickets enter in file order and leave when their request is settled.

    Invariant: of the tickets that share a key, only the first to enter is admitted. Costs one set
    operation per ticket while keys do not meet; what waits is bounded by who may enter.
    """

    def __init__(self) -> None:
        self._within: dict[Ticket, None] = {}
        self._held: set[int] = set()

    def __len__(self) -> int:
        return len(self._within)

    def enter(self, keys: frozenset[int], admit: Callable[[], None]) -> Ticket:
        """Queue for *keys*; *admit* is called at once when they are free, else later."""
        ticket = Ticket(keys=keys, admit=admit)
        if not self._held.isdisjoint(keys):
            for earlier in self._within:
                if not earlier.keys.isdisjoint(keys):
                    earlier.waiters.append(ticket)
                    ticket.waits_for += 1
        self._within[ticket] = None
        self._held |= keys
        if not ticket.waits_for:
            admit()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Free the lanes of *ticket* and admit whoever waited for nothing else."""
        del self._within[ticket]
        self._held -= ticket.keys
        for waiter in ticket.waiters:
            self._held |= waiter.keys
            waiter.waits_for -= 1
            if not waiter.waits_for:
                waiter.admit()
