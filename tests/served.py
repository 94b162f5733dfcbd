"""A real server with its panel, and those who use it: a browser that is logged in, programs with panel keys."""

import re
from pathlib import Path
from typing import Any, Final, get_args

import httpx2
from running import Running

from sora2api.auth.panel_keys import PanelKeys
from sora2api.auth.users import Role
from sora2api.store.database import FILE, Database

PASSWORD: Final = "correct horse battery"


class Served(Running):
    """`sora2api serve`. `prepare` makes those who use it: an administrator's browser, and a panel key for each role."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__("serve", folder, *options)
        self.page = Page(self.url)
        self._programs: dict[str, httpx2.Client] = {}

    async def prepare(self) -> None:
        self.page.settle_in()
        database = Database(self.folder / FILE)
        for role in get_args(Role):
            _key, secret = await PanelKeys(database).create(f"a {role}", role)
            self._programs[role] = httpx2.Client(
                base_url=f"{self.url}/admin/api/v1",
                headers={"Authorization": f"Bearer {secret}"},
                timeout=30,
                trust_env=False,
            )
        await database.close()

    def api(self, role: str = "administrator") -> httpx2.Client:
        """A program that calls the admin API with a panel key of that role."""
        return self._programs[role]

    def stop(self) -> int:
        for client in (self.page.client, *self._programs.values()):
            client.close()
        return super().stop()


class Page:
    """A browser without scripts: it keeps cookies, follows where forms lead, and says where it comes from.

    Its own *address* is one of this machine's.
    """

    def __init__(self, url: str, *, address: str = "127.0.0.1") -> None:
        self.url = url
        transport = httpx2.HTTPTransport(local_address=address)
        self.client = httpx2.Client(base_url=url, timeout=30, follow_redirects=True, transport=transport)

    def get(self, path: str) -> httpx2.Response:
        return self.client.get(f"/admin{path}")

    def post(self, path: str, **form: Any) -> httpx2.Response:
        return self.client.post(f"/admin{path}", data=form, headers={"Origin": self.url})

    def log_in(self, name: str, password: str) -> httpx2.Response:
        """As somebody new, without the session that there may be."""
        self.client.cookies.clear()
        return self.post("/login", username=name, password=password)

    def settle_in(self) -> None:
        """Log in for the first time, and choose a password."""
        asked = self.log_in("admin", "admin")
        entered = self.post("/password", csrf=token(asked), password=PASSWORD, again=PASSWORD)
        assert entered.status_code == 200

    def log_in_again(self) -> None:
        assert self.log_in("admin", PASSWORD).status_code == 200

    def do(self, operation: str, **fields: Any) -> httpx2.Response:
        """Send the form of an operation, as the overview's session."""
        return self.post(f"/do/{operation}", csrf=token(self.get("/")), **fields)


def token(page: httpx2.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None, page.text[:500]
    return found[1]
