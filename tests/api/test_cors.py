"""Pages of other sites: none may use the API, but those that the settings name."""

import httpx2
import pytest
from running import Running

KNOWN = {"Authorization": "Bearer han1234"}
LOCAL = "http://localhost:3000"
NAMED = "https://app.example.org"


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    """Servers that let in no pages, those of two sites, and all."""
    folder = tmp_path_factory.mktemp("cors")
    with (
        Running("serve", folder / "none") as none,
        Running("serve", folder / "named", "--cors-origins", f"{NAMED},{LOCAL}") as named,
        Running("serve", folder / "all", "--cors-origins", "*") as every,
    ):
        yield {"none": none.url, "named": named.url, "all": every.url}


def ask(url: str, method: str = "GET", **headers: str) -> httpx2.Response:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.request(method, f"{url}/v1/models", headers=headers)


def preflight(url: str, origin: str) -> httpx2.Response:
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization,content-type"}
    return ask(url, "OPTIONS", Origin=origin, **asked)


def test_by_default_no_page_of_another_site_is_let_in(urls):
    before, after = preflight(urls["none"], LOCAL), ask(urls["none"], Origin=LOCAL, **KNOWN)

    assert (before.status_code, after.status_code) == (405, 200)
    assert not any(name.startswith("access-control") for reply in (before, after) for name in reply.headers)


@pytest.mark.parametrize(("server", "origin", "allowed"), [("named", NAMED, NAMED), ("all", NAMED, "*")])
def test_a_named_site_may_ask_with_its_own_headers(urls, server, origin, allowed):
    reply = preflight(urls[server], origin)

    assert reply.status_code == 204
    assert reply.headers["access-control-allow-origin"] == allowed
    assert reply.headers["access-control-allow-headers"] == "authorization,content-type"
    assert {"GET", "POST", "DELETE"} <= set(reply.headers["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in reply.headers


def test_a_site_that_is_not_named_is_not_let_in(urls):
    before, after = preflight(urls["named"], "https://other.example.org"), ask(urls["named"], Origin="null", **KNOWN)

    assert before.status_code == 405
    assert "access-control-allow-origin" not in {*before.headers, *after.headers}
    assert "Origin" in after.headers["vary"]


@pytest.mark.parametrize("key", ["han1234", "wrong"])
def test_a_page_sees_the_headers_that_sdks_read(urls, key):
    reply = ask(urls["named"], Origin=LOCAL, Authorization=f"Bearer {key}")

    assert reply.headers["access-control-allow-origin"] == LOCAL
    exposed = reply.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "retry-after", "openai-processing-ms", "x-ratelimit-remaining-requests"} <= set(exposed)


@pytest.mark.parametrize("origin", [NAMED, "null", "http://127.0.0.1.example.org", "file://"])
@pytest.mark.parametrize("server", ["none", "all"])
def test_the_default_key_does_not_hold_for_pages_of_other_machines(urls, server, origin):
    reply = ask(urls[server], Origin=origin, **KNOWN)

    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("origin", [LOCAL, "http://127.0.0.1:8080", "http://[::1]"])
def test_the_default_key_holds_for_pages_of_this_machine(urls, origin):
    assert ask(urls["none"], Origin=origin, **KNOWN).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/openai/v1/models", "/v1/nothing", "/v1/videos/video_1/content"])
@pytest.mark.parametrize("headers", [KNOWN, {}], ids=["key", "no key"])
def test_every_reply_of_the_api_says_how_long_it_took(urls, path, headers):
    reply = httpx2.get(urls["none"] + path, headers=headers)

    assert 0 <= int(reply.headers["openai-processing-ms"]) < 10_000
    assert reply.headers["openai-version"] == "2020-10-01"
