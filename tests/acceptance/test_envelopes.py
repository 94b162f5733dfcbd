"""Who may ask, and the form of every reply, whatever was asked."""

import re

import httpx2
import pytest

CHAT = {"model": "sora-image", "messages": [{"role": "user", "content": "a pier"}]}


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer {}"}, {"api-key": "{}"}, {"x-api-key": "{}"}])
@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_a_key_may_come_in_three_headers_and_by_two_prefixes(server, headers, prefix):
    headers = {name: value.format("han1234") for name, value in headers.items()}

    reply = httpx2.post(f"{server.url}{prefix}/chat/completions?api-version=preview", headers=headers, json=CHAT)

    assert reply.status_code == 200
    assert reply.headers["x-sora2api-engine"] == "sandbox"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer sk-wrong-and-secret"}, {"Authorization": "Basic aGFuMTIzNA=="}, {"api-key": "no"}],
    ids=["none", "wrong", "basic", "wrong api-key"],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/openai/v1/models", "/v1/videos/video_1/events"])
def test_without_a_key_there_is_nothing(server, refused, headers, path):
    before = server.traces()
    method = "POST" if path.endswith("completions") else "GET"

    reply = httpx2.request(method, server.url + path, headers=headers, json=CHAT if method == "POST" else None)

    refused(reply, 401, "invalid_api_key")
    assert "sk-wrong-and-secret" not in reply.text
    assert before == server.traces()


@pytest.mark.parametrize("path", ["/v1", "/v1/nothing", "/openai/v1/", "/nothing", "/v1/videos/a/b/c", "/m/x"])
def test_an_unknown_path_is_404(server, refused, path):
    refused(server.http.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", {"POST"}),
        ("DELETE", "/v1/models", {"GET"}),
        ("PUT", "/v1/videos/video_1", {"GET", "DELETE"}),
        ("OPTIONS", "/openai/v1/videos/video_1/cancel", {"POST"}),
    ],
)
def test_a_wrong_method_is_405_and_says_which_there_are(server, refused, method, path, allowed):
    reply = server.http.request(method, path)

    refused(reply, 405, "method_not_allowed")
    assert allowed == set(re.split(", *", reply.headers["allow"]))


def test_every_reply_has_an_id_of_its_own(server):
    link = server.stream("a pier").outcome["assets"][0]["url"]
    replies = [
        *(server.http.get(path) for path in ("/", "/v1/models", "/healthz", "/readyz", "/nowhere", "/admin/", link)),
        server.http.post("/v1/models"),
        server.chat("a pier", model="nothing"),
        server.chat("a pier"),
        httpx2.get(f"{server.url}/v1/models"),
        httpx2.head(link),
        httpx2.get(link, headers={"Range": "bytes=999999999-"}),
        server.stream("a pier"),
    ]

    ids = [reply.headers["x-request-id"] for reply in replies]
    assert len(replies) == len(set(ids))


def test_no_error_has_an_empty_code(server):
    replies = [
        server.http.get("/nowhere"),
        server.http.patch("/v1/models"),
        server.http.get("/v1/videos/video_0"),
        server.http.post("/v1/chat/completions", content=b"{"),
        server.http.get("/v1/models", headers={"Authorization": ""}),
    ]

    assert all(reply.json()["error"]["code"] for reply in replies)


def test_health_is_told_without_a_key(server):
    assert [httpx2.get(server.url + path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
