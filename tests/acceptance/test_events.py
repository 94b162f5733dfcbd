"""GET /v1/videos/{id}/events: a job's events as they happen, resumable, to their end."""

import json
import threading

import pytest


def _parsed(lines):
    """Each event's number, type and data."""
    number = kind = None
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "id":
            number = int(value)
        elif field == "event":
            kind = value
        elif field == "data":
            yield number, kind, json.loads(value)


@pytest.mark.parametrize("model", ["sora-video", "sora-image"])
def test_they_tell_the_whole_story_and_end_with_it(server, model):
    job = server.stream("a gate", model=model).job

    with server.http.stream("GET", f"/v1/videos/{job}/events") as response:
        events = list(_parsed(response.iter_lines()))

    assert response.headers["x-request-id"]
    assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
    assert all(kind == data["type"] and number == data["number"] for number, kind, data in events)
    kinds = [kind for _, kind, _ in events]
    assert kinds[:2] == ["accepted", "started"]
    assert {"task_submitted", "step_done", "output"} <= set(kinds)
    assert kinds[-1] == "ended"
    assert events[-1][2]["status"] == "completed"


def test_a_failure_is_in_the_last_event(server):
    *_, last = server.events(server.stream("a gate [refuse]").job)

    assert (last["type"], last["status"], last["error"]["code"]) == ("ended", "failed", "moderation_blocked")


def test_whoever_comes_back_misses_nothing_and_hears_nothing_twice(server):
    job = server.stream("a gate").job
    whole = server.events(job)

    for heard in range(len(whole) + 1):
        assert server.events(job, after=heard) == whole[heard:]
    assert server.events(job, after=10**30) == []


def test_several_listen_to_a_live_job_and_some_come_back(gentle):
    job = gentle.begin("a gate that takes its time")
    heard: dict[int, list] = {}

    def listen(after: int) -> None:
        heard[after] = [event for event in gentle.events(job, after=after) if event["type"] != "progress"]

    threads = [threading.Thread(target=listen, args=(after,)) for after in (0, 1, 2, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    whole = [event for event in gentle.events(job) if event["type"] not in ("progress", "waiting")]
    milestones = [[event for event in events if event["type"] != "waiting"] for _, events in sorted(heard.items())]
    assert milestones == [whole, whole[1:], whole[2:], []]


def test_progress_is_told_while_it_is_made_and_never_falls(gentle):
    with gentle.http.stream("GET", f"/v1/videos/{gentle.begin('a gate')}/events") as response:
        events = list(_parsed(response.iter_lines()))

    percents = [data["percent"] for _, kind, data in events if kind == "progress"]
    assert len(percents) >= 3
    assert sorted(set(percents)) == percents
    numbers = [number for number, _, _ in events]
    assert sorted(numbers) == numbers


@pytest.mark.parametrize("last", ["x", "-1", "1.5"])
def test_a_number_that_is_none_is_refused(server, refused, last):
    job = server.stream("a gate").job

    refused(
        server.http.get(f"/v1/videos/{job}/events", headers={"Last-Event-ID": last}),
        400,
        "invalid_value",
        "Last-Event-ID",
    )
