"""Who may do what: each operation by the lowest role that may; none comes into being without being known here."""

import asyncio
import re
from collections.abc import Iterator
from typing import Final, get_args

import httpx2
import pytest
from served import PASSWORD, Page, Served, token

from sora2api.auth.users import Role
from sora2api.web import api
from sora2api.web.operation import RANK
from sora2api.web.table import TABLE
from sora2api.web.uploads import OPERATION

VIEWERS: Final = (
    "accounts.list",
    "accounts.get",
    "jobs.list",
    "jobs.get",
    "keys.list",
    "keys.get",
    "models.list",
    "models.get",
    "overview.get",
    "proxies.list",
    "proxies.get",
    "requests.list",
    "requests.export",
    "requests.get",
    "studio.choices",
    "studio.characters",
    "studio.understand",
    "studio.code",
    "studio.history",
    "studio.get",
    "plugins.list",
    "webhooks.list",
    "webhooks.alerts",
    "webhooks.deliveries",
)
OPERATORS: Final = (
    "accounts.preview",
    "accounts.import",
    "accounts.enable_many",
    "accounts.disable_many",
    "accounts.test_many",
    "accounts.assign_proxy",
    "accounts.remove_many",
    "accounts.restore_many",
    "accounts.add",
    "accounts.try",
    "accounts.change",
    "accounts.enable",
    "accounts.disable",
    "accounts.test",
    "accounts.remove",
    "accounts.restore",
    "jobs.cancel",
    "jobs.cancel_all",
    "jobs.delete",
    "jobs.delete_all",
    "jobs.again",
    "keys.create",
    "keys.change",
    "keys.rotate",
    "keys.revoke",
    "models.set",
    "models.unset",
    "intake.pause",
    "intake.resume",
    "proxies.add",
    "proxies.spread",
    "proxies.change",
    "proxies.enable",
    "proxies.disable",
    "proxies.test",
    "proxies.remove",
    "studio.make",
    "webhooks.enable",
    "webhooks.disable",
    "webhooks.remove",
    "webhooks.again",
    "studio.upload",
)
ADMINISTRATORS: Final = (
    "accounts.export",
    "accounts.reveal",
    "settings.list",
    "settings.get",
    "settings.set",
    "settings.unset",
    "requests.remove",
    "audit.list",
    "users.list",
    "users.add",
    "users.change",
    "users.disable",
    "users.enable",
    "users.reset_password",
    "users.remove_second_factor",
    "users.end_sessions",
    "sessions.list",
    "sessions.end",
    "panel_keys.list",
    "panel_keys.create",
    "panel_keys.revoke",
)
LOWEST: Final[dict[str, Role]] = {
    **dict.fromkeys(VIEWERS, "viewer"),
    **dict.fromkeys(OPERATORS, "operator"),
    **dict.fromkeys(ADMINISTRATORS, "administrator"),
}
CALLS: Final = {operation.name: (operation.method, operation.path) for operation in TABLE} | {
    OPERATION: ("POST", api.UPLOADS)
}
CHANGING: Final = [*(operation.name for operation in TABLE if operation.method != "GET"), OPERATION]
REFUSED: Final = (401, 403)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of its own: what is allowed is done."""
    with Served(tmp_path_factory.mktemp("roles")) as served:
        asyncio.run(served.prepare())
        yield served


def call(client: httpx2.Client, name: str, **options: object) -> httpx2.Response:
    """Do it to what is not there, with nothing said of how: who may gets as far as that."""
    method, path = CALLS[name]
    return client.request(method, re.sub("{[a-z]+}", "nobody", path), **options)


def allowed(role: Role) -> set[str]:
    return {name for name, lowest in LOWEST.items() if RANK[lowest] <= RANK[role]}


def test_each_operation_is_known_here():
    assert CALLS.keys() == LOWEST.keys()


@pytest.mark.parametrize("role", get_args(Role))
def test_a_key_of_each_role_may_what_that_role_may(served: Served, role: Role):
    may = {name for name in CALLS if call(served.api(role), name).status_code not in REFUSED}

    assert may == allowed(role)


def test_nobody_does_anything_without_a_login(served: Served):
    with httpx2.Client(base_url=f"{served.url}/admin/api/v1", trust_env=False) as client:
        assert {name: call(client, name).status_code for name in CALLS} == dict.fromkeys(CALLS, 401)


def test_a_page_changes_nothing_without_its_token(served: Served):
    with httpx2.Client(
        base_url=f"{served.url}/admin/api/v1", cookies=served.page.client.cookies, trust_env=False
    ) as client:
        wrong = {name: call(client, name, headers={"x-csrf-token": "wrong"}).status_code for name in CHANGING}
        none = {name: call(client, name).status_code for name in CHANGING}

    assert wrong == none == dict.fromkeys(CHANGING, 403)


def test_a_form_changes_nothing_without_its_token(served: Served):
    names = [operation.name for operation in TABLE if operation.changes]

    sent = {name: served.page.post(f"/do/{name}", csrf="wrong", id="nobody").status_code for name in names}

    assert sent == dict.fromkeys(names, 403)


def test_a_page_changes_something_with_its_token(served: Served):
    headers = {"x-csrf-token": token(served.page.get("/"))}
    with httpx2.Client(
        base_url=f"{served.url}/admin/api/v1", cookies=served.page.client.cookies, trust_env=False
    ) as client:
        assert call(client, "intake.pause", headers=headers).status_code == 200


class Visit:
    """A user of a role, logged in by a browser."""

    def __init__(self, served: Served, role: Role) -> None:
        given = served.api().post("/users", json={"name": f"the {role}", "role": role}).json()
        self.page = Page(served.url)
        asked = self.page.log_in(f"the {role}", given["password"])
        self.page.post("/password", csrf=token(asked), password=PASSWORD, again=PASSWORD)

    def forms(self) -> set[str]:
        """The operations that some page has a form for, in the menu's sections."""
        paths = re.findall(r'href="/admin(/[a-z]*)" data-go', self.page.get("/").text)
        return {name for path in paths for name in re.findall(r"/admin/do/([a-z_.]+)", self.page.get(path).text)}


@pytest.fixture(scope="module", params=["viewer", "operator"])
def visit(request: pytest.FixtureRequest, served: Served) -> Iterator[tuple[Role, Visit]]:
    visit = Visit(served, request.param)
    yield request.param, visit
    visit.page.client.close()


def test_a_session_of_each_role_may_what_that_role_may(served: Served, visit: tuple[Role, Visit]):
    role, visitor = visit
    headers = {"x-csrf-token": token(visitor.page.get("/"))}
    cookies = visitor.page.client.cookies
    with httpx2.Client(base_url=f"{served.url}/admin/api/v1", cookies=cookies, timeout=30, trust_env=False) as client:
        may = {name for name in CALLS if call(client, name, headers=headers).status_code not in REFUSED}

    assert may == allowed(role)


def test_a_form_does_nothing_that_the_role_may_not(visit: tuple[Role, Visit]):
    role, visitor = visit
    csrf = token(visitor.page.get("/"))
    above = [operation.name for operation in TABLE if operation.changes and operation.name not in allowed(role)]

    sent = {name: visitor.page.post(f"/do/{name}", csrf=csrf, id="nobody").status_code for name in above}

    assert above
    assert sent == dict.fromkeys(above, 403)


def test_pages_have_no_form_that_the_role_may_not_send(visit: tuple[Role, Visit]):
    role, visitor = visit

    forms = visitor.forms()

    assert bool(forms) == (role == "operator")
    assert forms <= allowed(role)


@pytest.mark.parametrize("path", ["/settings", "/audit", "/users"])
def test_pages_of_the_administrator_are_refused_to_others(visit: tuple[Role, Visit], path: str):
    _role, visitor = visit

    assert visitor.page.get(path).status_code == 403
    assert f'href="/admin{path}"' not in visitor.page.get("/").text


def test_what_is_sent_for_the_studio_is_on_record(served: Served):
    refused = served.api("operator").post(api.UPLOADS, content=b"no picture", params={"name": "boat.png"})
    kept = served.api().get("/audit", params={"operation": OPERATION}).json()["entries"]

    assert refused.status_code == 400
    assert kept[0]["user"] == "key a operator"
    assert kept[0]["outcome"] == "InvalidImage"
