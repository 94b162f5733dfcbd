"""The panel as an app of the server: its routes, under /admin, and the share pages, under /p."""

from pathlib import Path
from typing import ClassVar, Final

from aiohttp import web

from sora2api.registry import API_VERSION, App
from sora2api.web import api, forms, guard, live, login, pages, share, words
from sora2api.web.views import (
    accounts,
    audit,
    jobs,
    keys,
    models,
    overview,
    plugins,
    profile,
    proxies,
    requests,
    settings,
    studio,
    users,
    webhooks,
)

ROOT: Final = "/admin"
SHARE_ROOT: Final = "/p"
_STATIC: Final = Path(__file__).parent / "static"


class Panel(App):
    """What `keys.py` names must be set on the application before it starts."""

    name: ClassVar[str] = "panel"
    api_version: ClassVar[int] = API_VERSION

    def mount(self, app: web.Application) -> None:
        app.router.add_get("/", _to_panel)
        app.add_subapp(SHARE_ROOT, _shares())
        app.add_subapp(ROOT + api.ROOT, api.app())
        app.add_subapp(ROOT, _admin())


def _admin() -> web.Application:
    app = web.Application(middlewares=[words.speak, guard.errors_as_pages, guard.identify, guard.refuse_forgeries])
    _set_up(app)
    live.set_up(app)
    app.add_routes(
        [
            web.get("", _to_panel),
            *overview.routes(),
            *login.routes(),
            *forms.routes(),
            *accounts.routes(),
            *jobs.routes(),
            *keys.routes(),
            *models.routes(),
            *proxies.routes(),
            *settings.routes(),
            *requests.routes(),
            *studio.routes(),
            *audit.routes(),
            *plugins.routes(),
            *profile.routes(),
            *users.routes(),
            *webhooks.routes(),
            web.static("/static", _STATIC, name="static"),
        ]
    )
    return app


def _shares() -> web.Application:
    app = web.Application(middlewares=[words.speak, guard.errors_as_pages])
    _set_up(app)
    app.add_routes(share.routes())
    return app


def _set_up(app: web.Application) -> None:
    pages.set_up(app, static=f"{ROOT}/static")
    app.on_response_prepare.append(guard.harden)


async def _to_panel(_request: web.Request) -> web.Response:
    raise web.HTTPFound(f"{ROOT}/")
