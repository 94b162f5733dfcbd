"""`sora2api log` as an operator uses it, beside a server that runs and after it."""

import csv
import json
import signal
import subprocess
import sys
import threading

import httpx2
import pytest
from commands import started, until
from running import Running

SMALL = {"model": "sora-video", "size": "160x96", "seconds": 1}


def said(folder, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sora2api", *command, "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def told(folder, *command: str):
    return json.loads(said(folder, *command, "--json"))


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """A data directory whose server has worked a video and refused a call, and has ended."""
    folder = tmp_path_factory.mktemp("worked")
    with (
        Running("serve", folder, "--sandbox-delay", "0") as server,
        httpx2.Client(base_url=server.url, headers={"Authorization": "Bearer han1234"}, timeout=60) as http,
    ):
        message = {"role": "user", "content": "a heron in [bold]rain[/bold]"}
        assert http.post("/v1/chat/completions", json=SMALL | {"messages": [message]}).status_code == 200
        http.get("/v1/nothing")
    return folder


def test_requests_are_listed_the_newest_first(worked):
    entries = told(worked, "log", "list")

    assert [(entry["path"], entry["status"]) for entry in entries] == [
        ("/v1/nothing", 404),
        ("/v1/chat/completions", 200),
    ]
    lines = said(worked, "log", "list").splitlines()
    assert [line.split()[0] for line in lines] == [entry["id"] for entry in entries]
    assert lines[0].endswith("GET /v1/nothing not_found")


@pytest.mark.parametrize(
    ("filters", "paths"),
    [
        (("--code", "not_found"), ["/v1/nothing"]),
        (("--mode", "video", "--account", "sandbox"), ["/v1/chat/completions"]),
        (("--text", "HERON", "--since", "1h", "--key", "default"), ["/v1/chat/completions"]),
        (("--path", "/v1/no", "--status", "404"), ["/v1/nothing"]),
        (("--until", "2026-01-01"), []),
        (("--limit", "1"), ["/v1/nothing"]),
    ],
)
def test_the_list_is_narrowed_by_what_is_given(worked, filters, paths):
    assert [entry["path"] for entry in told(worked, "log", "list", *filters)] == paths


def test_a_request_is_shown_with_its_bodies_and_the_calls_made_for_it(worked):
    (entry,) = told(worked, "log", "list", "--mode", "video")

    whole = told(worked, "log", "show", entry["id"])
    shown = said(worked, "log", "show", entry["id"])

    assert whole["entry"] == entry
    assert whole["request"]["messages"][0]["content"] == "a heron in [bold]rain[/bold]"
    assert whole["reply"]["object"] == "chat.completion"
    assert whole["calls"][0]["method"] == "POST"
    assert {call["account"] for call in whole["calls"]} == {"sandbox"}
    assert all(word in shown for word in ("[bold]rain[/bold]", "chat.completion", "POST http://127.0.0.1:", "stored"))


def test_an_export_has_a_line_for_each_request(worked):
    entries = told(worked, "log", "list")

    lines = said(worked, "log", "export").splitlines()
    table = list(csv.DictReader(said(worked, "log", "export", "--format", "csv").splitlines()))

    assert [json.loads(line) for line in lines] == entries
    assert [row["id"] for row in table] == [entry["id"] for entry in entries]


@pytest.mark.parametrize("command", ["export", "list", "tail"])
def test_who_has_read_enough_is_told_nothing_more(worked, command):
    with started("log", command, "--data-dir", str(worked)) as reading:
        reading.stdout.close()
        assert reading.stderr.read() == ""


@pytest.mark.parametrize("command", [("show", "req_nothing"), ("list", "--since", "yesterday")])
def test_what_goes_wrong_is_said(worked, command):
    done = subprocess.run(
        [sys.executable, "-m", "sora2api", "log", *command, "--data-dir", str(worked)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert command[-1] in done.stderr


def test_the_tail_ends_with_the_newest(worked):
    newest = told(worked, "log", "list", "--limit", "1")[0]["id"]

    lines = said(worked, "log", "tail", "-n", "2").splitlines()

    assert [line.split()[0] for line in lines][-1] == newest
    assert json.loads(said(worked, "log", "tail", "-n", "1", "--json"))["id"] == newest


def test_a_tail_that_follows_tells_what_comes_and_only_that(tmp_path):
    with Running("serve", tmp_path, "--sandbox-delay", "0") as server:
        httpx2.get(f"{server.url}/v1/before")
        command = ("log", "tail", "-f", "-n", "0", "--path", "/v1/wanted", "--json", "--data-dir", str(tmp_path))
        following = started(*command)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(iter(following.stdout.readline, "")))
        reader.start()

        def heard() -> bool:
            httpx2.get(f"{server.url}/v1/unwanted")
            httpx2.get(f"{server.url}/v1/wanted")
            return len(lines) > 1

        until(heard)
        following.send_signal(signal.SIGINT)
        assert following.wait() == 130
        reader.join()
        following.communicate()

    assert {json.loads(line)["path"] for line in lines} == {"/v1/wanted"}
    assert len({json.loads(line)["id"] for line in lines}) == len(lines)
