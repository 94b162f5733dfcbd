"""What a server tells the service manager that started it."""

import asyncio
import os
import signal
import time

import httpx2
import pytest
from commands import until
from managed import Manager
from running import Running

from sora2api.cli.service_manager import ServiceManager
from sora2api.settings import FILE

pytestmark = pytest.mark.slow

STUCK = """
import time
from aiohttp import web
from sora2api.registry import API_VERSION, App

class Stuck(App):
    name = "stuck"
    api_version = API_VERSION

    def mount(self, app):
        app.router.add_get("/stuck", self.hang)

    async def hang(self, request):
        reply = web.StreamResponse()
        await reply.prepare(request)
        await reply.write(b"now")
        time.sleep(600)
"""


@pytest.fixture
def manager(tmp_path):
    with Manager(str(tmp_path / "notify")) as manager:
        yield manager


def watched_from(address, url):
    return httpx2.get(f"{url}/metrics", headers={"X-Forwarded-For": address}, timeout=60).status_code


def test_a_server_tells_of_its_start_its_work_its_reloads_and_its_end(tmp_path, capfd):
    folder, log = tmp_path / "data", []

    def said(text):
        log.append(capfd.readouterr().err)
        return [line for line in "".join(log).splitlines() if text in line]

    with (
        Manager(f"@sora2api-{os.getpid()}") as manager,
        Running("serve", folder, environment=manager.environment(WATCHDOG_USEC="4000000")) as server,
    ):
        begun = manager.until("READY")
        assert int(begun[0]["EXTEND_TIMEOUT_USEC"]) >= 30_000_000
        assert manager.until("WATCHDOG")[-1]["STATUS"] == "0 jobs in flight, 0 tasks waiting for an account"

        assert watched_from("8.8.8.8", server.url) != 200
        allowed = 'trusted_proxies = ["127.0.0.1"]\nmonitor_allow = ["8.8.8.0/24"]\n'
        (folder / FILE).write_text(f'{allowed}log_format = "json"\nqueue_limit = 7\n')
        server.signal(signal.SIGHUP)
        assert 0 < int(manager.until("RELOADING")[-1]["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        manager.until("READY")
        (line,) = until(lambda: said('"reloaded"'))
        assert '"changed": "trusted_proxies,log_format,monitor_allow", "wait_for_restart": "queue_limit"' in line

        assert watched_from("8.8.8.8", server.url) == 200

        (folder / FILE).write_text("log_level = 'loud'\n")
        server.signal(signal.SIGHUP)
        manager.until("RELOADING")
        manager.until("READY")
        (line,) = until(lambda: said('"not reloaded"'))
        assert "The setting log_level (file) is wrong" in line
        assert watched_from("8.8.8.8", server.url) == 200

        assert server.stop() == 0
        assert manager.until("STOPPING")[-1] == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "70000000"}


def test_a_server_whose_event_loop_is_stuck_is_silent(manager, tmp_path):
    plugins = tmp_path / "data" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "stuck.py").write_text(STUCK)
    with Running("serve", tmp_path / "data", environment=manager.environment(WATCHDOG_USEC="500000")) as server:
        manager.until("WATCHDOG")
        with httpx2.stream("GET", f"{server.url}/stuck", timeout=60) as reply:
            next(reply.iter_raw())
            manager.forget()

            assert manager.hear(3.0) is None
        server.kill()


async def test_a_watchdog_of_another_process_is_not_fed(manager):
    told = ServiceManager(manager.environment(WATCHDOG_USEC="1000", WATCHDOG_PID="1"))

    async with told.watched(lambda: "well"):
        await asyncio.sleep(0)

    assert manager.hear() == {"STATUS": "well"}
    assert manager.hear(0.0) is None


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-listens"])
def test_nothing_is_sent_where_nobody_listens(address):
    ServiceManager({"NOTIFY_SOCKET": address}).tell(READY=1)
