"""Accounts by file: bringing them in, after a preview, and giving them out."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from sora2api.accounts.exchange import (
    Defaults,
    Format,
    Outcome,
    Plan,
    Row,
    as_csv,
    as_json,
    encrypted,
    opened,
    rows,
    sealed,
)
from sora2api.errors import InvalidValue, MissingParameter
from sora2api.web.operation import Change, Desk, Operation, ProofNeeded
from sora2api.web.operations.account_shown import in_use
from sora2api.web.operations.accounts import FirstKey, ending_of, first_key
from sora2api.web.words import N_

_BREATH: Final = 100
"""After so many rows others have their turn."""

log = logging.getLogger(__name__)


class ImportAsked(Struct, frozen=True, kw_only=True):
    """*text* is the file, or *file* where one was sent by a form. *driver*, *base_url*: for rows that name none.

    *update*: accounts that are there are changed, rather than left as they are. *draft* is what a preview said.
    """

    text: str = ""
    file: str = ""
    format: Format = "auto"
    driver: str | None = None
    base_url: str | None = None
    name_prefix: str | None = None
    update: bool = False
    passphrase: str = ""
    draft: str = ""


class Report(Struct, frozen=True, kw_only=True):
    """What became of each row, or would. *draft*: what to import a preview's file by; *issued*: as with an account."""

    rows: tuple[Outcome, ...]
    added: int
    updated: int
    skipped: int
    failed: int
    draft: str | None = None
    issued: FirstKey | None = None


class ExportAsked(Struct, frozen=True, kw_only=True):
    """With *secrets* it is JSON, sealed under the *passphrase*; else nothing secret is in it."""

    format: Literal["json", "csv"] = "json"
    secrets: bool = False
    passphrase: str = ""


class Exported(Struct, frozen=True, kw_only=True):
    name: str
    content_type: str
    text: str


async def preview(desk: Desk, asked: ImportAsked) -> Change:
    _, outcomes = await _planned(desk, asked)
    draft = desk.office.drafts.keep(desk.user, asked)
    return Change(subject=_told(outcomes), value=_report(outcomes, draft=draft))


async def import_accounts(desk: Desk, asked: ImportAsked) -> Change:
    if asked.draft:
        asked = desk.office.drafts.take(desk.user, asked.draft)
    plan, outcomes = await _planned(desk, asked)
    ending, issued = await ending_of(desk)
    await plan.carry_out(also=ending)
    told = _told(outcomes)
    report = _report(outcomes, issued=await first_key(desk, issued))
    named = [row.name for row in outcomes if row.result in ("added", "updated")]
    return Change(subject=told, value=report, after=named)


async def export(desk: Desk, asked: ExportAsked) -> Change:
    accounts = [account for account in in_use(desk) if not account.sandbox]
    if asked.secrets and not desk.proved:
        raise ProofNeeded
    if asked.secrets and not asked.passphrase:
        raise MissingParameter("Secrets are written under a passphrase only.", param="passphrase")
    if asked.secrets:
        document = await asyncio.to_thread(as_json, accounts, secrets=True)
        text = (await asyncio.to_thread(sealed, document, asked.passphrase)).decode()
        log.warning("accounts exported with their secrets", extra={"by": desk.user, "address": desk.address})
        file = Exported(name="accounts.sealed.json", content_type="application/json", text=text)
    elif asked.format == "csv":
        file = Exported(name="accounts.csv", content_type="text/csv", text=as_csv(accounts))
    else:
        text = as_json(accounts, secrets=False).decode()
        file = Exported(name="accounts.json", content_type="application/json", text=text)
    return Change(subject=file.name, value=file, after={"accounts": len(accounts), "secrets": asked.secrets})


async def _planned(desk: Desk, asked: ImportAsked) -> tuple[Plan, Sequence[Outcome]]:
    found = await asyncio.to_thread(_rows, asked)
    plan = Plan(
        desk.office.accounts,
        desk.office.engines.kinds,
        check_proxy=desk.office.proxies.check_word,
        prefix=asked.name_prefix,
        update=asked.update,
    )
    outcomes = []
    for number, row in enumerate(found):
        outcomes.append(plan.take(row))
        if number % _BREATH == 0:
            await asyncio.sleep(0)
    return plan, outcomes


def _rows(asked: ImportAsked) -> Sequence[Row]:
    given: Literal["file", "text"] = "file" if asked.file else "text"
    data, form = (asked.file or asked.text).encode(), asked.format
    if not data.strip():
        raise MissingParameter("Send a file, or paste its text.", param="text")
    envelope = encrypted(data) if form in ("auto", "json") else None
    if envelope is not None:
        if not asked.passphrase:
            raise InvalidValue("The file is sealed: it wants its passphrase.", param="passphrase")
        data, form = opened(envelope, asked.passphrase), "json"
    try:
        return rows(data, form=form, defaults=Defaults(driver=asked.driver, base_url=asked.base_url))
    except InvalidValue as error:
        raise InvalidValue(error.message, param=error.param or given) from error


def _report(outcomes: Sequence[Outcome], *, draft: str | None = None, issued: FirstKey | None = None) -> Report:
    counts = Counter(outcome.result for outcome in outcomes)
    return Report(
        rows=tuple(outcomes),
        added=counts["added"],
        updated=counts["updated"],
        skipped=counts["skipped"],
        failed=counts["failed"],
        draft=draft,
        issued=issued,
    )


def _told(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcome.result for outcome in outcomes)
    return ", ".join(f"{number} {result}" for result, number in sorted(counts.items())) or "0"


TABLE = (
    Operation(
        name="accounts.preview",
        method="POST",
        path="/accounts/import/preview",
        summary="Say what an import would do with each row, and do nothing",
        does=preview,
        takes=ImportAsked,
        gives=Report,
        role="operator",
        done=N_("Looked through: {subject}."),
        shows="import_report.html",
    ),
    Operation(
        name="accounts.import",
        method="POST",
        path="/accounts/import",
        summary="Import accounts, with a report for each row",
        does=import_accounts,
        takes=ImportAsked,
        gives=Report,
        role="operator",
        done=N_("Imported: {subject}."),
        shows="import_report.html",
    ),
    Operation(
        name="accounts.export",
        method="POST",
        path="/accounts/export",
        summary="Export the accounts, with their secrets under a passphrase only",
        does=export,
        takes=ExportAsked,
        gives=Exported,
        role="administrator",
        done=N_("Exported: {subject}."),
    ),
)
