"""The plugins: what there is, in which version, why some are set aside, and what each can be told."""

from aiohttp import web

from sora2api.web import guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import Nothing
from sora2api.web.operations.plugins import list_plugins
from sora2api.web.pages import shell


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/plugins", show, name="plugins")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    plugins = (await list_plugins(desk, Nothing())).plugins
    opened = request.query.get("open", "")
    return shell(
        request,
        "plugins.html",
        section="plugins",
        session=session,
        plugins=plugins,
        aside=sum(not plugin.ready for plugin in plugins),
        folder=desk.office.settings().plugins_folder or desk.office.folder / "plugins",
        plugin=next((each for each in plugins if f"{each.kind}.{each.name}" == opened), None),
    )
