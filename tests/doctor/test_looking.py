"""What the doctor is beside its findings: it leaves all as it is, ends in time, and says things that can be read."""

import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from commands import ran, told
from doctor.patients import Patient, free_port
from running import Running


@pytest.fixture
def server(patient) -> Iterator[Running]:
    with Running("serve", patient.folder) as server:
        yield server


def test_a_server_that_runs_is_asked_and_not_disturbed(patient, server):
    before = set(patient.contents())  # what is in them is the server's to change

    assert patient.trouble("--url", server.url) == {}
    assert set(patient.contents()) == before

    ill = patient.trouble()
    assert {check: finding["state"] for check, finding in ill.items()} == {"port": "warning"}
    assert "--url" in ill["port"]["advice"]

    patient.configure(f"port = {server.url.rpartition(':')[2]}\ndisk_reserve = 1\npublic_url = 'http://127.0.0.1:9'\n")
    ill = patient.trouble()
    assert {check: finding["state"] for check, finding in ill.items()} == {"public URL": "warning"}


def test_the_port_of_another_data_directorys_server_is_taken(patient, server, tmp_path):
    other = Patient(tmp_path, port=int(server.url.rpartition(":")[2]))

    ill = other.trouble()

    assert {check: finding["state"] for check, finding in ill.items()} == {"port": "wrong"}
    assert "another data directory" in ill["port"]["said"]


def test_a_server_that_was_killed_leaves_a_log_that_is_read_and_left(patient):
    with Running("serve", patient.folder) as server:
        server.kill()
    before = patient.contents()

    assert (patient.folder / "sora2api.db-wal").exists()
    assert patient.trouble() == {}
    assert patient.contents() == before


def test_nothing_is_made_or_changed_where_no_server_runs(patient):
    plugins = patient.folder / "plugins"
    plugins.mkdir()
    (plugins / "mine.py").write_text("raise ImportError('no wheels')")
    before = patient.contents()

    ill = patient.trouble()

    assert {check: finding["state"] for check, finding in ill.items()} == {"plugins": "warning"}
    assert "no wheels" in ill["plugins"]["said"]
    assert patient.contents() == before


def test_an_installation_that_was_never_started_is_not_begun(tmp_path):
    missing = tmp_path / "none"

    found = told("doctor", "--data-dir", str(missing), status=4)

    assert [finding["check"] for finding in found if finding["state"] != "well"] == ["directory"]
    assert not missing.exists()


@pytest.mark.parametrize("planted", ["no database, " * 500, None], ids=["another-file", "torn"])
def test_a_database_that_is_damaged(patient, planted):
    path = patient.folder / "sora2api.db"
    if planted:
        path.write_text(planted)
    else:
        with path.open("r+b") as file:
            file.seek(8192)
            file.write(b"torn" * 8192)

    ill = patient.trouble()

    assert ill["database" if planted else "integrity"]["state"] == "wrong"
    assert "sora2api restore FILE" in str(ill)


def test_an_older_database_is_said_to_be_brought_up(patient):
    with closing(sqlite3.connect(patient.folder / "sora2api.db", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")

    ill = patient.trouble()

    assert {check: finding["state"] for check, finding in ill.items()} == {"database": "warning"}
    assert "sora2api db upgrade" in ill["database"]["advice"]


def test_a_default_proxy_that_is_dead_or_none(patient):
    patient.run("settings", "set", "default_proxy", f"http://me:my-password@127.0.0.1:{free_port()}")
    ill = patient.trouble()
    assert {check: finding["state"] for check, finding in ill.items()} == {"proxies": "wrong", "engines": "wrong"}
    assert "my-password" not in str(ill)

    patient.run("settings", "set", "default_proxy", "nowhere")
    assert "'nowhere'" in patient.trouble()["proxies"]["said"]

    patient.run("settings", "unset", "default_proxy")
    assert patient.trouble() == {}


def test_settings_that_the_server_would_not_take(patient):
    patient.configure("prot = 8000")
    ill = patient.trouble(SORA2API_STRATEGEM="random")
    assert ill["settings"]["state"] == "wrong"
    assert "'prot'" in ill["settings"]["said"]

    patient.configure(f"port = {patient.port}\ndisk_reserve = 1\n")
    assert "SORA2API_STRATEGEM" in patient.trouble(SORA2API_STRATEGEM="random")["settings"]["said"]


def test_what_is_private_and_open_to_others_is_named(patient):
    patient.folder.chmod(0o755)
    (patient.folder / "secret.key").chmod(0o644)
    (patient.folder / "first-login.txt").write_text("password")

    ill = patient.trouble()

    assert {check: finding["state"] for check, finding in ill.items()} == {"modes": "warning", "first login": "warning"}
    assert "chmod 600" in ill["modes"]["advice"]
    assert (patient.folder / "secret.key").stat().st_mode & 0o777 == 0o644


def test_a_server_that_takes_no_jobs_says_why(patient):
    with Running("serve", patient.folder, "--disk-reserve", str(1 << 60)) as server:
        ill = patient.trouble("--url", server.url)

    assert {check: finding["state"] for check, finding in ill.items()} == {"readiness": "wrong"}
    assert "The disk is nearly full." in ill["readiness"]["said"]


def test_dependencies_that_are_too_old_or_too_new_are_named(patient, tmp_path):
    for name, version in (("aiohttp", "4.0.0"), ("orjson", "1.0")):
        planted = tmp_path / f"{name}-{version}.dist-info"
        planted.mkdir()
        (planted / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    ill = patient.trouble(PYTHONPATH=str(tmp_path))

    assert {check: finding["state"] for check, finding in ill.items()} == {"dependencies": "wrong"}
    assert "aiohttp is 4.0.0" in ill["dependencies"]["said"]
    assert "orjson is 1.0" in ill["dependencies"]["said"]


def test_a_check_that_fails_says_so_and_leaves_the_others(patient):
    with closing(sqlite3.connect(patient.folder / "sora2api.db", isolation_level=None)) as connection:
        connection.execute("UPDATE accounts SET base_url = 'nowhere'")

    ill = patient.trouble()

    assert {finding["state"] for finding in ill.values()} == {"warning"}
    assert set(ill) == {"engines", "clock"}
    assert "This check failed: ValueError." in ill["engines"]["said"]


def test_a_refresh_token_is_not_used_up(patient):
    with closing(socket.create_server(("127.0.0.1", 0))) as renewing:
        address = f"http://127.0.0.1:{renewing.getsockname()[1]}/token"
        given = ("--token", "sk-old", "--refresh-token", "rt-once", "--refresh-url", address)
        patient.run("account", "change", "box", *given)

        ill = patient.trouble()

        assert {check: finding["state"] for check, finding in ill.items()} == {"engines": "warning"}
        renewing.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody came
            renewing.accept()


def test_an_engine_that_names_no_models_is_named(patient, engine):
    patient.run("account", "change", "box", "--base-url", engine.replace("/v1", "/elsewhere"))

    ill = patient.trouble()

    assert {check: finding["state"] for check, finding in ill.items()} == {"engines": "warning"}
    assert "names no models, so it gets no work" in ill["engines"]["said"]
    assert "sora2api account change box --set video_model=" in ill["engines"]["advice"]


@pytest.mark.slow
def test_what_is_silent_is_not_waited_for(patient):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        patient.run("account", "change", "box", "--base-url", f"{address}/v1")
        patient.run("settings", "set", "default_proxy", address)

        ill = patient.trouble("--url", address)

        wrong = {check for check, finding in ill.items() if finding["state"] == "wrong"}
        assert wrong == {"port", "proxies", "engines"}


def test_people_get_a_line_a_check(patient):
    (patient.folder / "first-login.txt").write_text("password")
    (patient.folder / "first-login.txt").chmod(0o600)

    said = ran("doctor", "--data-dir", str(patient.folder), status=4).stdout.splitlines()
    found = json.loads(ran("doctor", "--data-dir", str(patient.folder), "--json", status=4).stdout)

    assert [line[:1] for line in said] == ["!" if finding["state"] == "warning" else "✓" for finding in found]
    assert all(line[2:].startswith(finding["check"]) for line, finding in zip(said, found, strict=True))
    assert all(
        f" → {finding['advice']}" in line for line, finding in zip(said, found, strict=True) if finding["advice"]
    )
    assert all(set(finding) == {"check", "state", "said", "advice"} for finding in found)


def test_an_address_that_is_none_is_not_understood(tmp_path: Path):
    assert "--url" in ran("doctor", "--url", "8000", "--data-dir", str(tmp_path), status=2).stderr
