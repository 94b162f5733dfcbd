"""The accounts: a table of all, each with its page, forms to connect, change, import and export them."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web
from msgspec import NODEFAULT, structs

from sora2api.accounts.exchange import FORMATS
from sora2api.accounts.given import Given
from sora2api.accounts.shown import SECRETS
from sora2api.accounts.trying import Found
from sora2api.errors import Sora2ApiError
from sora2api.web import charts, driver_form, forms, guard
from sora2api.web.api import problem
from sora2api.web.driver_form import FormField
from sora2api.web.guard import FORM, signed_in
from sora2api.web.operation import Desk, ProofNeeded, decode, perform
from sora2api.web.operations.account_files import Exported
from sora2api.web.operations.account_shown import AccountsAsked, AccountWhole, Probe, page
from sora2api.web.operations.accounts import AccountId, get_account
from sora2api.web.pages import shell
from sora2api.web.table import BY_NAME
from sora2api.web.words import gettext

_PAGE: Final = 15
_FEWEST: Final = 3
_NEW: Final[Mapping[str, Any]] = dict.fromkeys(Given.__struct_fields__) | {
    each.name: each.default for each in structs.fields(Given) if each.default is not NODEFAULT
}
"""An account of which nothing was said."""
_SWITCHED: Final[Mapping[str, Any]] = {"true": True, "false": False}


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/accounts", show, name="accounts"),
        web.get("/accounts/add", add, name="account_add"),
        web.get("/accounts/import", import_, name="account_import"),
        web.post("/accounts/try", try_, name="account_try"),
        web.post("/accounts/export", export, name="account_export"),
        web.get("/accounts/{id}", show_one, name="account"),
        web.get("/accounts/{id}/edit", edit, name="account_edit"),
    ]


@signed_in
async def show(request: web.Request) -> web.Response:
    desk = _desk(request)
    found = await page(desk, decode(AccountsAsked, {"limit": str(_PAGE), **request.query}, typed=False))
    in_use = desk.office.roll.in_use()
    return shell(
        request,
        "accounts.html",
        section="accounts",
        session=guard.session(request),
        found=found,
        many=len(in_use.accounts),
        real=desk.office.accounts.ever_real,
        drivers=in_use.drivers,
        known_groups=in_use.groups,
        proxy_words=_proxy_words(desk),
    )


@signed_in
async def show_one(request: web.Request) -> web.Response:
    whole = await _whole(request)
    return shell(
        request,
        "account.html",
        section="accounts",
        session=guard.session(request),
        whole=whole,
        account=whole.account,
        latency=latency(whole.route or "", whole.probes),
        fields=_fields(_desk(request), whole.account.driver),
        text=driver_form.text,
    )


@signed_in
async def add(request: web.Request) -> web.Response:
    """Choose a kind of engine; then say where it is."""
    desk = _desk(request)
    chosen = _kind(desk, request.query.get("kind"))
    if chosen is None:
        kinds = _kinds(desk)
        return shell(request, "account_kinds.html", section="accounts", session=guard.session(request), kinds=kinds)
    return _form(request, chosen["driver"], kind=chosen, set_={**_NEW, "settings": chosen["settings"]})


@signed_in
async def edit(request: web.Request) -> web.Response:
    whole = await _whole(request)
    return _form(request, whole.account.driver, whole=whole, set_=_set(_desk(request), whole))


@signed_in
async def try_(request: web.Request) -> web.Response:
    """The form as it was typed, with what was found; a page's script takes that part of it alone."""
    desk, typed = _desk(request), forms.given(request)
    if not typed.get("id"):
        whole, set_ = None, {**_NEW, "settings": {}}
    else:
        whole = await get_account(desk, AccountId(typed["id"]))
        set_ = _set(desk, whole)
    kind, driver = _kind(desk, typed.get("kind")), typed.get("driver", "")
    form = partial(_form, request, driver, kind=kind, whole=whole, set_=set_ | _typed(typed))
    try:
        tried = await perform(BY_NAME["accounts.try"], desk, typed, typed=False)
    except Sora2ApiError as error:
        return problem(error) if forms.scripted(request) else form(error=error)
    return form(found=tried.value.found)


@signed_in
async def import_(request: web.Request) -> web.Response:
    return shell(
        request,
        "import.html",
        section="accounts",
        session=guard.session(request),
        formats=FORMATS,
        drivers=sorted(_desk(request).office.engines.kinds),
    )


@signed_in
async def export(request: web.Request) -> web.Response:
    try:
        done = await perform(BY_NAME["accounts.export"], _desk(request), request[FORM], typed=False)
    except ProofNeeded:
        back = request.app.router["account_import"].url_for()
        raise web.HTTPSeeOther(request.app.router["prove"].url_for().with_query(next=str(back))) from None
    file: Exported = done.value
    headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{file.name}"', hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(text=file.text, content_type=file.content_type, headers=headers)


def _form(
    request: web.Request,
    driver: str,
    *,
    set_: Mapping[str, Any],
    kind: Mapping[str, Any] | None = None,
    whole: AccountWhole | None = None,
    found: Sequence[Found] = (),
    error: Sora2ApiError | None = None,
) -> web.Response:
    desk = _desk(request)
    return shell(
        request,
        "account_form.html",
        section="accounts",
        session=guard.session(request),
        driver=driver,
        kind=kind,
        whole=whole,
        found=found,
        error=error,
        set=dict(set_),
        fields=_fields(desk, driver),
        known_groups=desk.office.roll.in_use().groups,
        proxy_words=_proxy_words(desk),
        text=driver_form.text,
    )


def _set(desk: Desk, whole: AccountWhole) -> dict[str, Any]:
    """What an account is set to, without what is secret."""
    account = desk.office.accounts.get(whole.account.id)
    set_ = {name: getattr(account, name) for name in account.__struct_fields__ if name not in SECRETS}
    shown = {"proxy": whole.account.proxy, "base_url": whole.account.base_url, "refresh_url": whole.refresh_url}
    return set_ | shown


def _typed(fields: Mapping[str, str]) -> dict[str, Any]:
    """What was typed into the form, as the form shows it."""
    plain = {name: _SWITCHED.get(value, value) for name, value in fields.items()}
    dotted = {name.removeprefix("settings."): value for name, value in plain.items() if name.startswith("settings.")}
    groups = [each.strip() for each in fields.get("groups", "").split(",") if each.strip()]
    return plain | {"groups": groups, "settings": dotted}


def _kind(desk: Desk, called: str | None) -> Mapping[str, Any] | None:
    return next((kind for kind in _kinds(desk) if f"{kind['driver']}/{kind['name']}" == called), None)


def _kinds(desk: Desk) -> Sequence[Mapping[str, Any]]:
    """The kinds of engine that can be connected: those that drivers name; a driver that names none is one itself."""
    kinds = []
    for name, driver in sorted(desk.office.engines.kinds.items()):
        for each in driver.engines:
            known = {field: getattr(each, field) for field in each.__struct_fields__}
            kinds.append({"driver": name, **known})
        if not driver.engines:
            about = (driver.__doc__ or "").partition("\n")[0]
            said = {"title": name, "about": about, "base_url": "", "token": False, "settings": {}}
            kinds.append({"driver": name, "name": name, **said})
    return kinds


def _fields(desk: Desk, driver: str) -> Sequence[FormField]:
    kind = desk.office.engines.kinds.get(driver)
    return [] if kind is None else driver_form.fields(kind.settings_type)


def _proxy_words(desk: Desk) -> Sequence[str]:
    return ["spread", *(proxy.name for proxy in desk.office.proxies.all())]


def latency(proxy: str, probes: Sequence[Probe]) -> charts.Chart | None:
    """How long a proxy's tries took of late; None where there are too few of them to see."""
    if len(probes) < _FEWEST:
        return None
    labels = [time.strftime("%H:%M UTC", time.gmtime(probe.at)) for probe in probes]
    took = [None if probe.took is None else probe.took * 1000 for probe in probes]
    return charts.lines(gettext("Latency"), labels, [charts.Series(proxy, took)], unit=gettext("ms"))


async def _whole(request: web.Request) -> AccountWhole:
    return await get_account(_desk(request), AccountId(request.match_info["id"]))


def _desk(request: web.Request) -> Desk:
    session = guard.session(request)
    return guard.desk(request, user=session.user, role=session.role)
