"""Whether this run works at all: one request at a time until the API has taken a row; pure.

A job that is wrong for every row is recognised after fewer than ten requests (DESIGN §5), because
nothing runs beside the first requests, and the run stops when they are refused for one cause.
"""

from msgspec import Struct, field

from pipeline.stages.delivery.isolation import Trail

STRIKES_MAX = 5
"""Requests in a row, refused for one cause with nothing delivered, that stop a run."""


class Proof(Struct, kw_only=True):
    """What the first requests of a run have shown."""

    proven: bool = False
    strikes: int = 0
    _causes: set[str] = field(default_factory=set)

    def learn(self, trail: Trail) -> str:
        """Take in a settled batch or row; return the cause that condemns the run, or ""."""
        if trail.delivered_rows:
            self.proven = True
        if self.proven or not trail.refused_rows:
            return ""
        if trail.causes != self._causes:
            self.strikes, self._causes = 0, set(trail.causes)
        self.strikes += trail.requests
        condemned = trail.uniform or self.strikes >= STRIKES_MAX
        return next(iter(trail.causes)) if condemned and len(trail.causes) == 1 else ""
