"""The log of requests, as a server writes it."""

import base64
import json
import time

import httpx2
import pytest
from observe.conftest import SMALL

STAGES = ("queued", "submitted", "progressed", "made", "stored")
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)


def test_a_call_is_logged_with_its_key_its_sizes_and_when_its_reply_was_complete(server):
    reply = server.http.get("/v1/models")

    row = server.row(reply)

    assert (row["method"], row["path"], row["status"], row["code"]) == ("GET", "/v1/models", 200, None)
    assert (row["key_id"], row["address"], row["bytes_in"]) == ("default", "127.0.0.1", 0)
    assert row["bytes_out"] > len(reply.content)
    assert abs(row["at"] - time.time()) < 60
    assert 0 < row["replied"] < 10


@pytest.mark.parametrize(
    ("method", "path", "key", "body", "status", "code"),
    [
        ("GET", "/v1/nothing", "han1234", b"", 404, "not_found"),
        ("GET", "/v1/models", "wrong", b"", 401, "invalid_api_key"),
        ("POST", "/v1/videos", "han1234", b"{", 400, "invalid_json"),
        ("PUT", "/openai/v1/models", "han1234", b"", 405, "method_not_allowed"),
    ],
)
def test_a_refused_call_is_logged_with_its_code(server, method, path, key, body, status, code):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    reply = server.http.request(method, path, content=body, headers=headers)

    row = server.row(reply)

    assert (reply.status_code, row["status"], row["code"]) == (status, status, code)
    assert server.bodies(reply)[1]["error"]["code"] == code


def test_what_is_no_call_of_the_api_is_not_logged(server):
    for path in ("/healthz", "/readyz", "/admin/", "/docs", "/openapi.json"):
        httpx2.get(server.url + path)
    server.row(server.http.get("/v1/models"))

    assert server.rows("select path from requests where path not like '/v1/%' and path not like '/openai/v1/%'") == []


def _stages(row):
    return [row[name] for name in STAGES]


def test_a_call_that_waits_for_its_job_is_logged_with_the_stages_of_it(server):
    reply = server.chat("a heron at dawn")

    row = server.row(reply, where="stored is not null")

    assert row["job_id"] == reply.json()["sora2api"]["job"]
    assert (row["mode"], row["model"], row["account"], row["prompt"]) == (
        "video",
        "sora-video",
        "sandbox",
        "a heron at dawn",
    )
    assert _stages(row) == sorted(_stages(row))
    assert row["stored"] <= row["replied"]


def test_a_stream_is_logged_with_the_stages_of_its_job_and_the_last_that_it_told(server):
    reply = server.chat("a heron at noon", stream=True)

    row = server.row(reply, where="stored is not null")

    assert _stages(row) == sorted(_stages(row))
    assert server.bodies(reply)[1][-1]["choices"][0]["finish_reason"] == "stop"


def test_a_call_whose_job_goes_on_after_its_reply_gets_the_stages_when_that_ends(server):
    reply = server.http.post("/v1/videos", json=SMALL | {"prompt": "a heron at dusk"})

    row = server.row(reply, where="stored is not null")

    assert row["replied"] < row["stored"]
    assert row["job_id"] == reply.json()["id"]


def test_a_job_that_fails_gives_its_code_to_the_call_that_made_it(rig, looking):
    rig.start_sandbox("--delay", "0")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server()
    refusal = {"error": {"message": "Not that.", "code": "content_policy_violation"}}
    rig.misbehave(method="POST", path="/v1/videos", status=400, body=refusal, times=10)
    logged = looking(rig.server.url, rig.data, rig.key)
    reply = logged.http.post("/v1/videos", json=SMALL | {"prompt": "a heron"})

    video = logged.done(reply.json()["id"])

    assert logged.row(reply, where="stored is not null")["code"] == video["error"]["code"]


def test_the_stages_are_filled_in_over_a_kill_and_a_restart(rig, looking):
    rig.start_sandbox("--delay", "1.5")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server()
    before = looking(rig.server.url, rig.data, rig.key)
    reply = before.http.post("/v1/videos", json=SMALL | {"prompt": "a heron"})
    assert before.row(reply)["stored"] is None

    rig.server.kill()
    rig.start_server()
    row = looking(rig.server.url, rig.data, rig.key).row(reply, where="stored is not null")

    assert row["stored"] > 1
    assert row["account"] == "box"


def test_a_reply_whose_reader_left_is_logged_as_never_complete(serving):
    server = serving("--sandbox-delay", "30", "--heartbeat", "0.1")  # the later one holds
    body = {**SMALL, "stream": True, "messages": [{"role": "user", "content": "a heron"}]}
    with server.http.stream("POST", "/v1/chat/completions", json=body) as reply:
        next(reply.iter_lines())

    row = server.row(reply)

    assert (row["status"], row["replied"]) == (200, None)
    assert row["job_id"].startswith("video_")


def test_the_calls_to_engines_are_logged_under_the_request_that_they_are_made_for(server):
    reply = server.chat("two herons")
    server.row(reply, where="stored is not null")

    calls = server.rows("select * from calls where request_id = ? order by at", reply.headers["x-request-id"])

    assert (calls[0]["method"], calls[0]["status"], calls[0]["account_id"]) == ("POST", 200, "sandbox")
    assert {call["job_id"] for call in calls} == {reply.json()["sora2api"]["job"]}
    assert all(call["took"] > 0 and call["url"].startswith("http://127.0.0.1:") for call in calls)


def test_files_are_told_and_not_kept(server):
    link = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    parts = [{"type": "text", "text": "a heron like this"}, {"type": "image_url", "image_url": {"url": link}}]
    chat = server.chat(parts)
    form = server.http.post(
        "/v1/videos",
        data={"prompt": "a heron", "model": "sora-video", "size": "160x96", "seconds": "1"},
        files={"input_reference": ("heron.png", PICTURE, "image/png")},
    )
    server.row(chat)
    server.row(form)

    sent = server.bodies(chat)[0]["messages"][0]["content"][1]["image_url"]["url"]
    file = server.bodies(form)[0]["input_reference"]

    assert sent == f"<image/png, {len(PICTURE)} bytes>"
    assert file == [{"filename": "heron.png", "content_type": "image/png", "bytes": len(PICTURE)}]


def test_without_prompts_nothing_of_their_words_is_kept(serving):
    server = serving("--no-log-prompts")
    calls = [
        server.chat("quicksilver heron"),
        server.chat("quicksilver heron", stream=True),
        server.http.post("/v1/videos", json=SMALL | {"prompt": "quicksilver heron"}),
        server.http.post("/v1/videos", data={"prompt": "quicksilver heron", "seconds": "1"}, files={"f": b""}),
        server.http.post("/v1/videos", json={"prompt": "quicksilver heron", "seconds": "-1"}),
        server.http.post(
            "/v1/videos", json=SMALL | {"prompt": "quicksilver heron", "input_reference": {"image_url": "quicksilver"}}
        ),
    ]
    kept = [(server.row(call), *server.bodies(call)) for call in calls]

    assert all(row["prompt"] is None for row, *_ in kept)
    assert kept[0][1]["model"] == "sora-video"
    assert "quicksilver" not in json.dumps(kept)


def test_a_deleted_video_is_forgotten_by_the_log(server):
    reply = server.http.post("/v1/videos", json=SMALL | {"prompt": "a heron to be forgotten"})
    job_id = reply.json()["id"]
    server.done(job_id)
    server.http.post(f"/v1/videos/{job_id}/cancel")
    server.row(reply, where="stored is not null")

    assert server.http.delete(f"/v1/videos/{job_id}").status_code == 200

    def logged():
        rows = server.rows("select * from requests where job_id = ?", job_id)
        return rows if len(rows) >= 2 else None

    left = server.until(logged)
    ids = [row["id"] for row in left]
    assert {row["prompt"] for row in left} == {None}
    marks = ",".join("?" * len(ids))
    assert [
        row["path"]
        for row in server.rows(
            f"select path from request_bodies join requests on id = request_id where id in ({marks})", *ids
        )
        if not row["path"].endswith(job_id)
    ] == []


def test_a_video_deleted_before_its_call_was_written_is_forgotten_too(serving):
    server = serving("--sandbox-delay", "30")
    body = {**SMALL, "stream": True, "messages": [{"role": "user", "content": "a heron to be forgotten"}]}
    with server.http.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        first = next(line for line in lines if line.startswith("data: "))
        server.http.delete(f"/v1/videos/{json.loads(first[6:])['sora2api']['job']}")
        list(lines)

    assert server.row(reply)["prompt"] is None
    assert server.bodies(reply) == []


def test_a_log_that_is_off_keeps_nothing(serving):
    server = serving("--no-log-requests")
    job = server.chat("a heron").json()["sora2api"]["job"]
    server.http.delete(f"/v1/videos/{job}")

    time.sleep(0.6)  # longer than the log would take to write

    assert server.rows("select id from requests") == server.rows("select id from calls") == []
