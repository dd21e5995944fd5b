"""The same key never twice in flight, and in order: who must wait for whom; pure.

Knows keys as 64-bit hashes and nothing of requests. Two keys of one hash only make one request
wait for another without need. Whatever does not share a key overtakes whatever waits.
"""

from collections.abc import Callable

from msgspec import Struct, field

Keys = Callable[[], frozenset[int]]
"""The keys of a ticket, when they are asked for: of a thousand rows they take a while."""


class Ticket(Struct, kw_only=True, eq=False):
    """A place in the lanes; with `waits_for` others before it, it is not admitted yet."""

    keys_of: Keys
    keys: frozenset[int] = frozenset()
    waits_for: int = 0
    admit: Callable[[], None] = lambda: None
    """Called once, when one that had to wait has every lane; set by whoever waits for it."""
    waiters: "list[Ticket]" = field(default_factory=list)


class Lanes:
    """Tickets enter in file order and leave when their request is settled.

    Invariant: of the tickets that share a key, only the first to enter is admitted. Where tickets
    are known to stand apart no key is looked at; else one costs one set operation while keys do
    not meet. What waits is bounded by who may enter.
    """

    def __init__(self) -> None:
        self._within: dict[Ticket, None] = {}
        self._apart: dict[Ticket, None] = {}
        self._held: set[int] = set()

    def __len__(self) -> int:
        return len(self._within) + len(self._apart)

    def enter(self, keys: Keys, *, apart: bool = False) -> Ticket:
        """Queue for *keys*; the ticket is admitted at once where they are free.

        apart: whoever enters knows that no ticket shares a key with this one, of those within and
        of those that will enter as it does.
        """
        ticket = Ticket(keys_of=keys)
        if apart:
            self._apart[ticket] = None
            return ticket
        self._look_at_all()
        ticket.keys = keys()
        if not self._held.isdisjoint(ticket.keys):
            for earlier in self._within:
                if not earlier.keys.isdisjoint(ticket.keys):
                    earlier.waiters.append(ticket)
                    ticket.waits_for += 1
        self._within[ticket] = None
        self._held |= ticket.keys
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Free the lanes of *ticket* and admit whoever waited for nothing else."""
        if ticket in self._apart:
            del self._apart[ticket]
            return
        del self._within[ticket]
        self._held -= ticket.keys
        for waiter in ticket.waiters:
            self._held |= waiter.keys
            waiter.waits_for -= 1
            if not waiter.waits_for:
                waiter.admit()

    def _look_at_all(self) -> None:
        """Hold the keys of those that stood apart: from now on somebody may share one."""
        for ticket in self._apart:
            ticket.keys = ticket.keys_of()
            self._held |= ticket.keys
            self._within[ticket] = None
        self._apart.clear()
