"""Slots are taken once and given back once, whatever happens: R7, R8, R9, R10, R12, R13, R14 and R15."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import pytest
from baddays.settling import types, until
from scenarios.asking import CHATS, IMAGE, SUBMIT, body

pytestmark = pytest.mark.slow


def test_r07_a_refusal_of_the_content_is_an_error_and_no_fault_of_the_account(narrow):
    reply = narrow.chat("a kite [refuse]")
    *_, last, done = narrow.streamed("a kite [refuse]")

    assert narrow.refused(reply, 400, "moderation_blocked")
    assert (last["error"]["code"], last["sora2api"]["status"], done) == ("moderation_blocked", "failed", "[DONE]")
    for job in (reply.json()["sora2api"]["job"], last["sora2api"]["job"]):
        assert "task_retried" not in types(narrow.day.failed(job, "moderation_blocked"))
    assert narrow.account()["state"] == "ready"


def test_r07_refusals_give_their_slot_back_once(narrow):
    for _ in range(3):
        narrow.refused(narrow.chat("a kite [refuse]"), 400, "moderation_blocked")
    jobs = [narrow.day.begin() for _ in range(3)]

    for job in jobs:
        narrow.day.completed(job)
    assert narrow.most_at_once(*jobs) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_r08_a_job_goes_on_without_its_client_and_gives_its_slot_back(narrow, stream):
    prompt = f"a kite that nobody waits for, {stream}"
    narrow.hold()
    with _sent(narrow, prompt, stream=stream):
        (job,) = until(lambda: narrow.jobs(prompt))
        narrow.submitted(job)
    narrow.go()

    narrow.day.completed(job)
    narrow.day.completed(narrow.day.begin())


def test_r09_a_client_that_hangs_up_at_the_last_word_leaves_nothing_behind(narrow):
    prompt = "a kite whose client is in a hurry"
    for _ in range(3):
        with _sent(narrow, prompt, stream=True) as connection:
            heard = b""
            while b"[DONE]" not in heard:
                part = connection.recv(4096)
                assert part, heard
                heard += part

    for job in narrow.jobs(prompt):
        narrow.day.completed(job)
    assert len(narrow.jobs(prompt)) == 3
    assert narrow.rig.get("/readyz").status_code == 200


@contextmanager
def _sent(asker, prompt: str, *, stream: bool) -> Iterator[socket.socket]:
    """The connection on which a chat was asked for, reset at the end."""
    data = json.dumps(body(prompt, {"stream": stream})).encode()
    url = httpx2.URL(asker.rig.server.url)
    with socket.create_connection((url.host, url.port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        head = f"POST {CHATS} HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {asker.rig.key}\r\n"
        about = f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(f"{head}{about}".encode() + data)
        yield connection


def test_r10_requests_that_the_engine_refuses_are_told_in_its_words_and_harm_no_account(narrow):
    words = "seconds must be one of 4, 8, 12"
    answer = {"error": {"message": words, "type": "invalid_request_error", "param": "seconds", "code": None}}
    narrow.rig.misbehave(**SUBMIT, status=400, body=answer, times=4)

    for _ in range(4):
        reply = narrow.chat("a kite that the engine refuses")
        assert words in narrow.refused(reply, 400, "rejected_by_engine", "seconds")
        job = reply.json()["sora2api"]["job"]
        assert "task_retried" not in types(narrow.day.failed(job, "rejected_by_engine"))
    assert narrow.account()["state"] == "ready"
    assert narrow.chat("a kite that is right").status_code == 200


def test_r12_two_images_are_made_at_once_where_two_may_be(roomy):
    roomy.rig.misbehave(**IMAGE, delay=1.5, times=2)
    prompts = [f"one of two pictures at once, {number}" for number in range(2)]

    with ThreadPoolExecutor(2) as pool:
        fields = {"model": "sora-image", "size": None, "seconds": None}
        replies = list(pool.map(lambda prompt: roomy.chat(prompt, **fields), prompts))

    assert [reply.status_code for reply in replies] == [200, 200]
    assert roomy.most_at_once(*(reply.json()["sora2api"]["job"] for reply in replies)) == 2


def test_r13_where_all_slots_are_taken_a_job_waits_is_told_its_place_and_is_made(narrow):
    narrow.hold()
    first = narrow.day.begin()
    narrow.submitted(first)
    jobs = [narrow.day.begin() for _ in range(2)]
    waiting = [narrow.day.shown(job, lambda video: video.get("queue_position")) for job in jobs]
    narrow.go()

    assert [video["queue_position"] for video in waiting] == [1, 2]
    assert all("box" in video["waiting_for"] for video in waiting)
    for job in (first, *jobs):
        narrow.day.completed(job)
    assert narrow.most_at_once(first, *jobs) == 1


def test_r13_a_job_that_waits_too_long_is_told_so(narrow):
    narrow.hold()
    first = narrow.day.begin()
    narrow.submitted(first)

    began = time.monotonic()
    narrow.day.failed(narrow.day.begin(), "queue_timeout")
    assert time.monotonic() - began > 2.5
    narrow.go()
    narrow.day.completed(first)


def test_r14_a_cancelled_job_stays_cancelled_is_polled_no_more_and_frees_its_slot(narrow):
    narrow.hold()
    job = narrow.day.begin()
    narrow.day.shown(job, lambda video: video["status"] == "in_progress")
    narrow.rig.http.post(f"/v1/videos/{job}/cancel").raise_for_status()
    polls = narrow.stats()["polls"]
    until(lambda: not narrow.rig.rows(f"SELECT 1 FROM tasks WHERE job_id = '{job}' AND ended_at IS NULL"))

    # One may have been under way, and one sees that the engine has stopped it too.
    assert narrow.stats()["polls"] - polls <= 2
    narrow.go()
    narrow.day.completed(narrow.day.begin())
    *_, last = narrow.day.failed(job, "cancelled")
    assert (last["type"], last["status"]) == ("ended", "cancelled")


def test_r15_a_job_survives_the_death_of_its_server(rig, asking):
    rig.start_sandbox("--delay", "0.4")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.3")
    asker = asking(rig)
    asker.hold()
    job = asker.day.begin()
    task = asker.submitted(job)
    rig.server.kill()
    asker.go()
    rig.start_server("--poll-interval", "0.3")

    asker.day.completed(job)
    assert asker.engine_task(job) == task
    asker.day.settled(creates=1)
