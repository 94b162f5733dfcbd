"""What becomes of errors on their way out."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sora2api.api.middlewares import errors
from sora2api.api.streams import Stream
from sora2api.errors import NotFound, QueueFull
from sora2api.observe.requests import identify, stamp


@pytest.fixture
async def get():
    """Asks a handler for its answer, as the server's middlewares pass it on."""
    clients = []

    async def ask(handler) -> tuple[aiohttp.ClientResponse, bytes]:
        app = web.Application(middlewares=[identify, errors])
        app.on_response_prepare.append(stamp)
        app.router.add_get("/", handler)
        clients.append(TestClient(TestServer(app)))
        await clients[-1].start_server()
        response = await clients[-1].get("/")
        return response, await response.read()

    yield ask
    for client in clients:
        await client.close()


async def test_an_error_is_in_the_envelope_with_its_headers(get):
    async def full(_request):
        raise QueueFull(retry_after=1.2)

    response, _ = await get(full)

    assert response.status == 429
    assert (await response.json())["error"] == {
        "message": "Too many jobs are waiting; try again later.",
        "type": "rate_limit_error",
        "param": None,
        "code": "queue_full",
    }
    assert (response.headers["Retry-After"], response.headers["x-should-retry"]) == ("2", "true")
    assert response.headers["x-request-id"].startswith("req_")


async def test_a_fault_of_ours_says_nothing_of_our_inside(get, caplog):
    async def broken(_request):
        raise ZeroDivisionError("secret")

    response, body = await get(broken)

    assert response.status == 500
    assert b"secret" not in body
    assert (await response.json())["error"]["code"] == "internal_error"
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("error", [NotFound("late"), ZeroDivisionError("late")], ids=["known", "unknown"])
async def test_a_stream_that_breaks_is_cut_off_with_no_second_reply_in_it(get, error):
    async def breaking(request):
        stream = Stream(heartbeat=15)
        await stream.prepare(request)
        async with stream:
            await stream.tell({"number": 1})
            raise error

    with pytest.raises(aiohttp.ClientPayloadError):
        await get(breaking)
