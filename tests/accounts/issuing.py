"""A token endpoint after RFC 6749, section 6, which takes a refresh token once; and an engine that takes its tokens."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class Issuer:
    """*refresh* is the one refresh token that is good, *token* the one that the engine takes."""

    refresh: str = "refresh 0"
    token: str = "token 0"
    rotates: bool = True
    expires_in: Any = 3600
    refuses: tuple[int, dict[str, Any]] | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    url: str = ""

    async def grant(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        self.asked.append({"type": request.content_type, **form})
        if self.refuses is not None:
            return web.json_response(self.refuses[1], status=self.refuses[0])
        if form.get("refresh_token") != self.refresh:
            return web.json_response({"error": "invalid_grant"}, status=400)
        number = len(self.asked)
        self.token = f"token {number}"
        granted = {"access_token": self.token, "token_type": "Bearer"}
        if self.expires_in is not None:
            granted["expires_in"] = self.expires_in
        if self.rotates:
            self.refresh = granted["refresh_token"] = f"refresh {number}"
        return web.json_response(granted)

    async def models(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.seen.append(token)
        return web.json_response({"data": []}, status=200 if token == self.token else 401)

    def server(self) -> TestServer:
        app = web.Application()
        app.add_routes([web.post("/oauth/token", self.grant), web.get("/v1/models", self.models)])
        return TestServer(app)
