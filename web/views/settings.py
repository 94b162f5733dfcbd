"""The settings in groups, each with what it is for, where its value comes from, and who changed it last."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from sora2api.auth.audit import AuditEntry, Wanted
from sora2api.jobs.settings_book import Setting
from sora2api.web import guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import Desk, perform
from sora2api.web.pages import shell, size, span
from sora2api.web.table import BY_NAME
from sora2api.web.words import N_, gettext

GROUPS: Final[Sequence[tuple[str, str, Sequence[str]]]] = (
    ("intake", N_("Intake and queue"), ("paused", "queue_limit", "queue_timeout", "wait_limit", "json_limit")),
    ("uploads", N_("What clients send"), ("upload_limit", "receive_limit", "fetch_timeout", "fetch_allow")),
    (
        "engines",
        N_("Engines and accounts"),
        (
            "strategy",
            "tries",
            "native_wait",
            "poll_interval",
            "lookup_interval",
            "deadlines",
            "default_proxy",
            "proxy_failure",
        ),
    ),
    (
        "replies",
        N_("Replies"),
        ("chat_video", "chat_chores", "cancel_on_disconnect", "heartbeat", "content_redirect", "share"),
    ),
    (
        "keeping",
        N_("What is kept, and how long"),
        ("output_lifetime", "input_lifetime", "file_lifetime", "job_lifetime", "disk_reserve"),
    ),
    (
        "log",
        N_("Log and alerts"),
        ("log_requests", "log_prompts", "log_lifetime", "log_size", "log_level", "log_format", "alert_url"),
    ),
    ("monitoring", N_("Monitoring"), ("metrics", "metrics_token", "monitor_allow", "trace_engines")),
    ("sandbox", N_("Sandbox"), ("sandbox", "sandbox_delay")),
    (
        "server",
        N_("Server"),
        (
            "host",
            "port",
            "public_url",
            "trusted_proxies",
            "cors_origins",
            "shutdown_timeout",
            "plugins_folder",
            "disabled_plugins",
        ),
    ),
)
"""The settings by what they are about: a name for the address, a heading, and the settings."""

_SOURCES: Final = {
    "command line": N_("command line"),
    "environment": N_("environment"),
    "database": N_("chosen here"),
    "file": "sora2api.toml",
    "default": N_("default"),
}
_BYTES: Final = frozenset({"json_limit", "upload_limit", "receive_limit", "log_size", "disk_reserve"})
_LATEST: Final = 200


class Row(Struct, frozen=True, kw_only=True):
    """A setting as the page shows it: *text* is what its field holds, *means* the same for people."""

    setting: Setting
    type: str
    text: Any
    means: str
    later: str
    source: str
    changed: AuditEntry | None


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/settings", show, name="settings")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    found = await perform(BY_NAME["settings.list"], desk, {}, typed=False)
    settings: Mapping[str, Setting] = {setting.name: setting for setting in found.settings}
    changed = await _changed(desk)
    parts = [
        (name, gettext(heading), [_row(settings[each], changed.get(each)) for each in names])
        for name, heading, names in GROUPS
    ]
    later = [setting for setting in settings.values() if setting.waits]
    return shell(
        request,
        "settings.html",
        section="settings",
        session=session,
        parts=parts,
        reloadable=[setting.name for setting in later if setting.on_reload],
        waiting=[setting.name for setting in later if not setting.on_reload],
    )


async def _changed(desk: Desk) -> Mapping[str, AuditEntry]:
    """The latest change of each setting, as far as it is among the latest of all."""
    entries, _more = await desk.office.audit.page(Wanted(operation="settings"), after=None, limit=_LATEST)
    return {entry.subject: entry for entry in reversed(entries)}


def _row(setting: Setting, changed: AuditEntry | None) -> Row:
    kind = "switch" if isinstance(setting.default, bool) else "select" if setting.choices else "text"
    return Row(
        setting=setting,
        type=kind,
        text=setting.later if kind == "switch" else _text(setting.later),
        means=_means(setting, setting.value),
        later=_means(setting, setting.later),
        source=gettext(_SOURCES[setting.source]),
        changed=changed,
    )


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _means(setting: Setting, value: Any) -> str:
    """A *value* for people: sizes and times in the largest unit that fits."""
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    if setting.name in _BYTES:
        return size(value)
    if isinstance(setting.default, float):
        return span(value) if value < 172_800 else gettext("{days} days").format(days=f"{value / 86400:.3g}")
    return _text(value) or gettext("none")
