"""Faults that are really there: the doctor finds each, and what it advises makes the installation well again."""

import base64
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from doctor.patients import Patient, free_port
from running import Running

pytestmark = pytest.mark.slow

MEBIBYTE = 1024 * 1024
HOUR = 3600

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount disks and become another user")


class Answers(BaseHTTPRequestHandler):
    """Stands for an engine in the OpenAI shape with one model, whose clock may be off."""

    ahead = 0

    def do_GET(self) -> None:
        body = b'{"object": "list", "data": [{"id": "sora-2", "object": "model"}]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + type(self).ahead if timestamp is None else timestamp)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def answering(port: int = 0) -> Iterator[tuple[str, type[Answers]]]:
    """The address of such an engine, and its clock."""
    clock = type("Clocked", (Answers,), {})
    with ThreadingHTTPServer(("127.0.0.1", port), clock) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", clock
        server.shutdown()


def test_nothing_is_found_where_all_is_well(patient):
    status, found = patient.asked()

    assert (status, {finding["state"] for finding in found}) == (0, {"well"})


def test_a_port_that_is_taken(patient):
    with answering(patient.port):
        ill = patient.trouble()
        assert list(ill) == ["port"]
        assert (ill["port"]["state"], str(patient.port) in ill["port"]["said"]) == ("wrong", True)
        assert "sora2api settings set port" in ill["port"]["advice"]

        patient.configure(f"disk_reserve = {MEBIBYTE}\n")
        patient.run("settings", "set", "port", str(free_port()))
        assert patient.trouble() == {}


@pytest.fixture
def small_disk(patient, template) -> Iterator[Patient]:
    """The same on a disk of its own, of 24 MiB."""
    folder = patient.folder.with_name("disk")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={24 * MEBIBYTE},mode=0700", "tmpfs", folder]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield Patient(shutil.copytree(template, folder, dirs_exist_ok=True), port=free_port())
    subprocess.run(["umount", "--lazy", folder], check=True)


@needs_root
def test_a_disk_that_is_full(small_disk):
    small_disk.configure(f"port = {small_disk.port}\ndisk_reserve = {4 * MEBIBYTE}\n")
    room = os.statvfs(small_disk.folder)
    filler = small_disk.folder / "filler"
    filler.write_bytes(bytes(room.f_bavail * room.f_frsize))

    ill = small_disk.trouble()
    assert {check: finding["state"] for check, finding in ill.items()} == {"disk": "wrong"}
    assert "no new jobs" in ill["disk"]["said"]
    assert ill["disk"]["advice"].startswith("Free some")

    filler.unlink()
    assert small_disk.trouble() == {}


POWERLESS = "-dac_override,-dac_read_search"
AS_ANYBODY = ("setpriv", "--bounding-set", POWERLESS, "--inh-caps", POWERLESS) if os.geteuid() == 0 else ()
"""Starts a program for which the rights of files hold, though it may be root's."""


def test_a_data_directory_that_may_not_be_written(patient):
    patient.folder.chmod(0o500)

    ill = patient.trouble(by=AS_ANYBODY)
    assert {check: finding["state"] for check, finding in ill.items()} == {"directory": "wrong"}
    assert "cannot be written" in ill["directory"]["said"]
    assert f"chmod u+rwx {patient.folder}" in ill["directory"]["advice"]

    patient.folder.chmod(0o700)
    assert patient.trouble(by=AS_ANYBODY) == {}


@needs_root
def test_a_data_directory_that_is_closed_to_us(patient):
    subprocess.run(["chown", "-R", "nobody", patient.folder], check=True)

    ill = patient.trouble(by=AS_ANYBODY)
    assert {ill[check]["state"] for check in ("directory", "database")} == {"wrong"}
    assert {ill[check]["state"] for check in ("owners", "integrity", "secret key", "engines")} == {"unseen"}
    assert "it belongs to nobody" in ill["directory"]["said"]
    assert f"chown -R root {patient.folder}" in ill["directory"]["advice"]

    subprocess.run(["chown", "-R", "root", patient.folder], check=True)
    assert patient.trouble(by=AS_ANYBODY) == {}


@needs_root
def test_what_a_disk_of_its_own_has_in_it_is_no_fault(patient):
    (patient.folder / "lost+found").mkdir()
    os.chown(patient.folder / "lost+found", 65534, 65534)

    assert patient.trouble() == {}


@needs_root
def test_database_files_of_root_in_a_directory_of_another_user(patient):
    subprocess.run(["chown", "-R", "nobody", patient.folder], check=True)
    os.chown(patient.folder / "sora2api.db", 0, 0)

    ill = patient.trouble()
    assert ill["owners"]["state"] == "wrong"
    assert "sora2api.db to root" in ill["owners"]["said"]
    assert f"chown -R nobody {patient.folder}" in ill["owners"]["advice"]
    if "user" not in ill:  # root has become the owner, who cannot read it
        assert ill["database"]["state"] == "wrong"

    subprocess.run(["chown", "-R", "nobody", patient.folder], check=True)
    assert set(patient.trouble()) <= {"user"}


def database(patient: Patient) -> sqlite3.Connection:
    return sqlite3.connect(patient.folder / "sora2api.db", isolation_level=None)


def test_a_database_that_is_newer_than_the_program(patient):
    with closing(database(patient)) as connection:
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    ill = patient.trouble()
    assert {check: finding["state"] for check, finding in ill.items()} == {"database": "wrong"}
    assert "9999" in ill["database"]["said"]
    assert "newer version of sora2api" in ill["database"]["advice"]

    with closing(database(patient)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    assert patient.trouble() == {}


@pytest.mark.parametrize("given", ["file", "variable", "none"])
def test_a_secret_key_that_is_not_the_datas(patient, given):
    file = patient.folder / "secret.key"
    right = file.read_text()
    environment = {"SORA2API_SECRET_KEY": "another key"} if given == "variable" else {}
    if given == "file":
        file.write_bytes(base64.b64encode(bytes(32)))
    elif given == "none":
        file.unlink()

    ill = patient.trouble(**environment)
    assert ill["secret key"]["state"] == "wrong"
    assert {ill[check]["state"] for check in ("proxies", "engines", "clock")} == {"unseen"}
    assert ("Unset SORA2API_SECRET_KEY" if given == "variable" else "from a backup") in ill["secret key"]["advice"]

    if given != "variable":
        file.write_text(right)
        file.chmod(0o600)
        assert patient.trouble() == {}


PROXY = """
import asyncio, sys, pproxy
async def serve():
    server = await pproxy.Server(sys.argv[1]).start_server({"rserver": [pproxy.Connection("direct")]})
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(serve())
"""


def test_a_proxy_that_is_dead(patient):
    port = free_port()
    patient.run("proxy", "add", "north", f"http://me:my-password@127.0.0.1:{port}")
    patient.run("proxy", "assign", "north")

    ill = patient.trouble()
    assert {check: finding["state"] for check, finding in ill.items()} == {"proxies": "wrong", "engines": "wrong"}
    assert ill["proxies"]["said"].startswith(f"north (http://127.0.0.1:{port}) does not let us through")
    assert "See that it runs" in ill["proxies"]["advice"]
    assert "my-password" not in str(ill)

    command = [sys.executable, "-c", PROXY, f"http://127.0.0.1:{port}#me:my-password"]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert proxy.stdout.readline() == b"ready\n"
        assert patient.trouble() == {}
    finally:
        proxy.kill()
        proxy.communicate()


def test_an_engine_that_cannot_be_reached(patient, engine):
    patient.run("account", "change", "box", "--base-url", f"http://127.0.0.1:{free_port()}/v1")

    ill = patient.trouble()
    assert {check: finding["state"] for check, finding in ill.items()} == {"engines": "wrong"}
    assert "(engine_unreachable)" in ill["engines"]["said"]
    assert "See whether the engine runs, and the base URL is right" in ill["engines"]["advice"]

    patient.run("account", "change", "box", "--base-url", engine)
    assert patient.trouble() == {}


def test_an_engine_that_refuses_the_token(patient):
    patient.run("account", "change", "box", "--token", "sk-of-somebody-else")

    ill = patient.trouble()
    assert {check: finding["state"] for check, finding in ill.items()} == {"engines": "wrong"}
    assert "(account_rejected)" in ill["engines"]["said"]
    assert "sora2api account change box --token" in ill["engines"]["advice"]
    assert "somebody-else" not in str(ill)

    patient.run("account", "change", "box", "--token", "sk-sandbox")
    assert patient.trouble() == {}


@pytest.mark.parametrize(("ahead", "said"), [(HOUR, "behind"), (-HOUR, "ahead of")])
def test_a_clock_far_off_the_engines(patient, ahead, said):
    with answering() as (url, clock):
        patient.run("account", "change", "box", "--base-url", f"{url}/v1")
        clock.ahead = ahead

        ill = patient.trouble()
        assert {check: finding["state"] for check, finding in ill.items()} == {"clock": "wrong"}
        assert f"s {said} that of box's engine" in ill["clock"]["said"]
        assert "timedatectl set-ntp true" in ill["clock"]["advice"]

        clock.ahead = 0
        assert patient.trouble() == {}


def test_more_accounts_than_files_can_be_open_are_no_fault(patient, tmp_path):
    tokens = [f"sk-{number}" for number in range(1200)]
    with Running("sandbox", tmp_path / "engine", *(f"--key={token}" for token in tokens)) as engine:
        (tmp_path / "tokens").write_text("\n".join(tokens))
        given = ("--driver", "openai", "--base-url", f"{engine.url}/v1", "--name-prefix", "many")
        patient.run("account", "import", str(tmp_path / "tokens"), "--format", "lines", *given)

        assert patient.trouble(by=("prlimit", "--nofile=1024:1024")) == {}
