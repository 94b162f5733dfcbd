"""The conformance list, 1 to 10: how clients reach the server, and who they are."""

import httpx2
import pytest
from openai import AuthenticationError

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")


@pytest.mark.parametrize("ending", ["/v1", "/v1/"])
def test_01_the_base_url_may_end_in_a_slash(ask, server, ending):
    assert ask.using(base_url=server.url + ending)(lambda client: client.models.retrieve("sora-2")).id == "sora-2"


def test_02_without_a_key_nobody_is_served(server, ask, envelope):
    reply = httpx2.get(f"{server.url}/v1/models")

    assert envelope(reply, 401)["code"] == "invalid_api_key"
    with pytest.raises(AuthenticationError):
        ask.using(default_headers={"Authorization": ""})(lambda client: client.models.list())


def test_03_a_wrong_key_is_refused_and_not_repeated(ask):
    wrong = "sk-this-is-the-wrong-key-0123456789"

    with pytest.raises(AuthenticationError) as refused:
        ask.using(api_key=wrong)(lambda client: client.models.list())

    assert refused.value.code == "invalid_api_key"
    assert wrong not in refused.value.response.text


def test_04_every_reply_has_an_id_and_the_sdk_reads_it(ask, http):
    raw = ask(lambda client: client.models.with_raw_response.retrieve("sora-2"))

    assert raw.request_id == raw.headers["x-request-id"]
    assert ask(lambda client: client.models.retrieve("sora-2"))._request_id.startswith("req_")
    for path in ("/healthz", "/nowhere", "/v1/videos/video_unknown", "/v1/models"):
        assert http.get(path).headers["x-request-id"]


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/v1/videos/a/b/c"])
def test_05_a_path_that_is_not_there_is_told_in_json(http, envelope, path):
    envelope(http.get(path), 404)


def test_06_a_method_that_is_not_taken_is_told_with_those_that_are(http, envelope):
    reply = http.put("/v1/videos")

    envelope(reply, 405)
    assert {"GET", "POST"} <= set(reply.headers["allow"].replace(" ", "").split(","))


def test_07_x_stainless_headers_are_ignored(ask):
    headers = {"x-stainless-anything": "x", "x-stainless-read-timeout": "never", "x-stainless-poll-helper": "maybe"}

    assert ask(lambda client: client.models.retrieve("sora-2", extra_headers=headers)).id == "sora-2"


@pytest.mark.parametrize("accepted", ["application/binary", "*/*", "text/html", "nonsense"])
def test_08_no_accept_header_is_refused(http, accepted):
    assert http.get("/v1/models", headers={"Accept": accepted}).status_code == 200
    assert http.get("/v1/videos/video_unknown/content", headers={"Accept": accepted}).status_code == 404


@pytest.mark.parametrize("encodings", ["gzip, deflate", "identity", "br", "*"])
def test_09_whatever_encodings_are_accepted_the_body_can_be_read(http, encodings):
    reply = http.get("/v1/models", headers={"Accept-Encoding": encodings})

    assert reply.headers.get("content-encoding", "identity") in ("gzip", "deflate", "identity")
    assert reply.json()["object"] == "list"


def test_10_a_page_of_an_allowed_site_may_ask_and_read_the_headers(http, site):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    preflight = http.options("/v1/videos", headers={"Origin": site} | asked)
    reply = http.get("/v1/models", headers={"Origin": site})

    assert preflight.is_success
    assert preflight.headers["access-control-allow-origin"] == site
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert reply.headers["access-control-allow-origin"] == site
    exposed = reply.headers["access-control-expose-headers"].lower()
    assert all(name in exposed for name in ("x-request-id", "retry-after", "x-ratelimit-remaining-requests"))
    assert "access-control-allow-origin" not in http.get("/v1/models", headers={"Origin": "https://else.org"}).headers
