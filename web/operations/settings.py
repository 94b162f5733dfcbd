"""The settings: what is in force and where it comes from, and changing them."""

from typing import Any

from msgspec import Struct

from sora2api.errors import InvalidValue
from sora2api.jobs.settings_book import Setting
from sora2api.web.operation import Change, Desk, Nothing, Operation
from sora2api.web.words import N_


class SettingList(Struct, frozen=True):
    settings: tuple[Setting, ...]


class SettingName(Struct, frozen=True):
    name: str


class SettingSet(Struct, frozen=True):
    """*value* is of the setting's type, or text as on the command line."""

    name: str
    value: Any


async def list_settings(desk: Desk, _asked: Nothing) -> SettingList:
    return SettingList(tuple(await desk.office.settings_book.all()))


async def get_setting(desk: Desk, asked: SettingName) -> Setting:
    return await desk.office.settings_book.get(asked.name)


async def set_setting(desk: Desk, asked: SettingSet) -> Change:
    book = desk.office.settings_book
    before = await book.get(asked.name)
    try:
        after = await book.set(asked.name, asked.value)
    except InvalidValue as error:
        raise InvalidValue(error.message, param="value") from error
    return Change(subject=after.name, value=after, before=before.later, after=after.later)


async def unset_setting(desk: Desk, asked: SettingName) -> Change:
    book = desk.office.settings_book
    before = await book.get(asked.name)
    after = await book.unset(asked.name)
    return Change(subject=after.name, value=after, before=before.later, after=after.later)


TABLE = (
    Operation(
        name="settings.list",
        method="GET",
        path="/settings",
        summary="List the settings, each with its value and where it comes from",
        does=list_settings,
        gives=SettingList,
        role="administrator",
    ),
    Operation(
        name="settings.get",
        method="GET",
        path="/settings/{name}",
        summary="Show a setting",
        does=get_setting,
        takes=SettingName,
        gives=Setting,
        role="administrator",
    ),
    Operation(
        name="settings.set",
        method="PATCH",
        path="/settings/{name}",
        summary="Choose the value of a setting",
        does=set_setting,
        takes=SettingSet,
        gives=Setting,
        role="administrator",
        done=N_("{subject} is set."),
    ),
    Operation(
        name="settings.unset",
        method="DELETE",
        path="/settings/{name}",
        summary="Take back what was chosen for a setting",
        does=unset_setting,
        takes=SettingName,
        gives=Setting,
        role="administrator",
        done=N_("{subject} is as it was."),
    ),
)
