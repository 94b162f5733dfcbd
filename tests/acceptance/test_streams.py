"""What a streamed reply is made of, and how it ends."""

import json
import re
import socket

import httpx2


def test_its_parts_come_in_order_with_one_id_and_the_asked_name(server):
    reply = server.stream("a red kite", model="sora-video-landscape")

    assert len({chunk["id"] for chunk in reply.chunks}) == 1
    assert reply.chunks[0]["id"].startswith("chatcmpl-")
    assert {("sora-video-landscape", "chat.completion.chunk")} == {(c["model"], c["object"]) for c in reply.chunks}
    deltas = [chunk["choices"][0]["delta"] for chunk in reply.chunks]
    kinds = ["reasoning" if "reasoning_content" in delta else "other" for delta in deltas]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert ["other", *["reasoning"] * (len(kinds) - 3), "other", "other"] == kinds
    assert deltas[-2]["content"].startswith("[video](http")
    assert deltas[-1] == {}
    finishes = [chunk["choices"][0]["finish_reason"] for chunk in reply.chunks]
    assert [*[None] * (len(finishes) - 1), "stop"] == finishes
    assert reply.data[-1] == "[DONE]"


def test_every_chunk_says_how_the_job_stands_and_the_outcome_in_data(server, look):
    reply = server.stream("a blue kite")

    states = [chunk["sora2api"] for chunk in reply.chunks]
    assert {reply.job} == {state["job"] for state in states}
    assert (states[0]["status"], states[0]["progress"]) == ("queued", 0)
    assert (states[-1]["status"], states[-1]["progress"]) == ("completed", 100)
    assert sorted(state["progress"] for state in states) == [state["progress"] for state in states]
    assert re.fullmatch("s_[0-9a-f]{32}", reply.outcome["share_id"])
    assert f"{server.url}/p/{reply.outcome['share_id']}" == reply.outcome["share_url"]
    (asset,) = reply.outcome["assets"]
    assert (asset["kind"], asset["content_type"], asset["width"], asset["height"]) == ("video", "video/mp4", 160, 96)
    assert [f"[video]({asset['url']})"] == reply.said("content")
    assert look(server.file(asset["url"]))[:2] == ("mp4", (160, 96))


def test_progress_is_told_as_reasoning(gentle):
    reply = gentle.stream("a slow kite")

    percents = [int(words.split()[0]) for words in reply.said("reasoning_content") if words.endswith("%\n")]
    assert len(percents) >= 3
    assert sorted(set(percents)) == percents


def test_a_reply_that_is_not_streamed_says_the_same(server):
    reply = server.chat("a green kite").json()

    (choice,) = reply["choices"]
    said = reply["sora2api"]
    assert (
        reply["object"],
        choice["finish_reason"],
        choice["message"]["role"],
    ) == ("chat.completion", "stop", "assistant")
    assert f"[video]({said['assets'][0]['url']})" == choice["message"]["content"]
    assert (said["status"], said["progress"]) == ("completed", 100)
    assert re.fullmatch("s_[0-9a-f]{32}", said["share_id"])
    assert said["share_url"].endswith(f"/p/{said['share_id']}")
    assert {"prompt_tokens", "completion_tokens", "total_tokens"} == set(reply["usage"])


def test_the_share_page_shows_the_video(server):
    made = server.stream("a shared kite").outcome

    page = httpx2.get(made["share_url"])

    assert page.status_code == 200
    assert ".mp4" in page.text


def test_the_use_of_tokens_comes_last_and_only_when_it_is_asked_for(server):
    with_usage = server.stream("a kite", stream_options={"include_usage": True})
    without = server.stream("a kite", stream_options={"include_usage": False})

    *earlier, last = with_usage.chunks
    assert {None} == {chunk["usage"] for chunk in earlier}
    assert last["choices"] == []
    assert {"prompt_tokens", "completion_tokens", "total_tokens"} == set(last["usage"])
    assert all(chunk["choices"] and "usage" not in chunk for chunk in without.chunks)


def test_it_says_that_it_is_alive_while_nothing_happens(slow):
    with slow.streaming("a kite that waits") as response:
        lines = response.iter_lines()
        first = next(line for line in lines if line.startswith("data: "))
        beats = [next(line for line in lines if line.startswith(":")) for _ in range(3)]
    slow.http.post(f"/v1/videos/{json.loads(first[6:])['sora2api']['job']}/cancel")

    assert len(beats) == 3


def test_what_goes_wrong_after_the_start_is_an_error_chunk(server):
    reply = server.stream("a kite [refuse]")

    *_, last = reply.chunks
    assert {"message", "type", "param", "code"} == set(last["error"])
    assert (last["error"]["code"], last["error"]["type"]) == ("moderation_blocked", "invalid_request_error")
    assert (reply.job, "failed") == (last["sora2api"]["job"], last["sora2api"]["status"])
    assert reply.data[-1] == "[DONE]"
    assert not reply.said("content")


def test_a_job_that_fails_is_an_error_reply_where_it_was_waited_for(server, refused):
    reply = server.chat("a kite [refuse]")

    refused(reply, 400, "moderation_blocked")
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["sora2api"]["status"] == "failed"
    failed = server.job(reply.json()["sora2api"]["job"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "moderation_blocked")


def test_the_connection_is_closed_after_the_last_word(server):
    body = json.dumps(
        {
            "model": "sora-image",
            "stream": True,
            "messages": [{"role": "user", "content": "a kite"}],
        }
    )
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer han1234\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        said = b"".join(iter(lambda: connection.recv(65536), b""))

    assert said.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert b"\r\nx-accel-buffering: no\r\n" in said.lower()


def test_a_job_that_is_deleted_meanwhile_ends_its_stream(slow):
    with slow.streaming("a doomed kite") as response:
        lines = (line for line in response.iter_lines() if line.startswith("data: "))
        job = json.loads(next(lines)[6:])["sora2api"]["job"]
        assert slow.http.delete(f"/v1/videos/{job}").json()["deleted"]
        rest = list(lines)

    assert json.loads(rest[-2][6:])["error"]["code"] == "cancelled"
    assert rest[-1] == "data: [DONE]"
