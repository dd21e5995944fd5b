"""Several requests at once, each on a connection of its own."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from pipeline.sandbox.embedded import Embedded
from tests.sandbox.door import Door, Reply


def at_once(sandbox: Embedded, requests: Sequence[tuple[str, str, object]]) -> list[Reply]:
    """Send all *requests* together and return their answers in the same order."""
    together = Barrier(len(requests))

    def send(request: tuple[str, str, object]) -> Reply:
        door = Door(sandbox.base_url, sandbox.api_key)
        try:
            door.connection.connect()
            together.wait(30)
            return door.ask(*request)
        finally:
            door.connection.close()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))
