"""The models: a table of the catalog, and a drawer with who would serve one and what is set of it."""

from aiohttp import web

from sora2api.errors import ModelNotFound
from sora2api.web import guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import Desk, decode
from sora2api.web.operations.models import ModelDetails, ModelName, ModelsAsked, get_model, list_models
from sora2api.web.pages import shell

NEW = "+"
"""What `open` asks for where a model is to be made; no model is called so."""


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/models", show, name="models")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    wanted = {name: value for name, value in request.query.items() if value}
    found = (await list_models(desk, decode(ModelsAsked, wanted, typed=False))).models
    opened = request.query.get("open", "")
    return shell(
        request,
        "models.html",
        section="models",
        session=session,
        models=found,
        unserved=sum(not model.serving for model in found),
        making=opened == NEW,
        details=await _details(desk, opened),
        account_groups=sorted({group for account in desk.office.accounts.all() for group in account.groups}),
    )


async def _details(desk: Desk, name: str) -> ModelDetails | None:
    if name in ("", NEW):
        return None
    try:
        return await get_model(desk, ModelName(name))
    except ModelNotFound:
        return None
