"""What may not stand in the head of a request is refused before anything is sent."""

import pytest

from pipeline.config.secrets import Secret
from pipeline.errors import InvariantBroken
from pipeline.model import Request
from pipeline.transport.client import Client
from tests.transport.wire import KEY, OK, client_of, forever, serving

pytestmark = pytest.mark.anyio

EVIL = ["\r\nX: y", "\n", "\r", "\x00", "\u010a", "\x7f", "\t"]


@pytest.mark.parametrize("evil", [*EVIL, " HTTP/1.1", "\xe9"])
async def test_a_target_is_one_line_without_blanks(evil: str) -> None:
    async with serving(forever(OK)) as server, client_of(server) as client:
        for target in (f"/v1/x{evil}", f"{evil}/v1/x", evil):
            with pytest.raises(InvariantBroken):
                await client.send(Request(method="GET", target=target, body=None))
    assert server.connections == 0


@pytest.mark.parametrize("evil", EVIL)
async def test_no_other_word_begins_a_line_of_its_own(evil: str) -> None:
    async with serving(forever(OK)) as server:
        async with client_of(server) as client:
            for request in (
                Request(method="PUT", target="/x", body=b"", idempotency_key=f"k{evil}"),
                Request(method=f"PUT{evil}", target="/x", body=b""),
            ):
                with pytest.raises(InvariantBroken):
                    await client.send(request)
        with pytest.raises(InvariantBroken) as refused:
            Client(server.url, Secret(KEY + evil))
        with pytest.raises(InvariantBroken):
            Client(server.url, Secret(KEY), scheme=f"ApiKey-v1{evil}")
    assert KEY not in str(refused.value)
    assert server.connections == 0
