"""What the sandbox says of itself: its models, and how often it was asked for what."""

from aiohttp import web

from sora2api.sandbox.engine import CAPABILITIES
from sora2api.sandbox.ledger import CREATES
from sora2api.sandbox.replies import ENGINE, reply

LAUNCHED = 1790000000
"""When its models count as created, in Unix seconds."""

routes = web.RouteTableDef()


@routes.get("/v1/models")
async def models(request: web.Request) -> web.Response:
    options = request.app[ENGINE].options
    data = []
    for name, capabilities in CAPABILITIES.items():
        offered = [capability for capability in capabilities if options.offers(capability)]
        if offered:
            said = {"id": name, "object": "model", "created": LAUNCHED, "owned_by": "sora2api-sandbox"}
            data.append({**said, "capabilities": offered})
    return reply({"object": "list", "data": data})


@routes.get("/_sandbox/stats")
async def stats(request: web.Request) -> web.Response:
    counters = request.app[ENGINE].ledger.counters()

    def grouped(prefix: str) -> dict[str, int]:
        return {name.removeprefix(prefix): count for name, count in counters.items() if name.startswith(prefix)}

    said = {name: counters.get(name, 0) for name in (CREATES, "polls", "lists")}
    return reply({**said, "by_path": grouped("path "), "by_token": grouped("token ")})
