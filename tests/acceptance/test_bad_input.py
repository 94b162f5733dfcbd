"""What is wrong is refused with the right status and the parameter at fault, and leaves nothing behind."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

UNKNOWN = f"s_{'0' * 32}"


@pytest.fixture
def fails(server, refused):
    """The error to a body, which has left no job and no file."""

    def sent(status, code, param=None, *, to=None, **request):
        at = to or server
        before = at.traces()
        reply = at.http.post("/v1/chat/completions", **request)
        error = refused(reply, status, code, param)
        assert at.traces() == before
        return error

    return sent


@pytest.fixture
def fails_chat(fails):
    def sent(status, code, param, content, **fields):
        body = {"model": "sora-video", "messages": [{"role": "user", "content": content}]} | fields
        return fails(status, code, param, json=body)

    return sent


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"messages": [', b"\xff\xfe", b'{"a": NaN}', b"[" * 5000, b'{"a": "\\ud800"}']
)
def test_a_body_that_is_no_json(fails, body):
    fails(400, "invalid_json", content=body)


@pytest.mark.parametrize("body", [b"[]", b'"a"', b"null", b"7"])
def test_a_body_that_is_no_object(fails, body):
    fails(400, "invalid_json", content=body)


def test_no_messages(fails):
    fails(400, "missing_required_parameter", "messages", json={"model": "sora-image"})


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"messages": "a cat"}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "be kind"}]}, "messages"),
        ({"messages": ["a cat"]}, "messages[0]"),
        ({"messages": [{"content": "a cat"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [7]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]}, "messages[0].content[0].text"),
        ({"model": 7}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": "two"}, "n"),
        ({"size": "axb"}, "size"),
        ({"size": "0x100"}, "size"),
        ({"size": 100}, "size"),
        ({"size": "-64x64"}, "size"),
        ({"size": "99999x99999"}, "size"),
        ({"seconds": "abc"}, "seconds"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": "nan"}, "seconds"),
        ({"seconds": "inf"}, "seconds"),
        ({"seconds": 100000}, "seconds"),
        ({"seconds": []}, "seconds"),
        ({"mode": "nothing"}, "mode"),
        ({"mode": 7}, "mode"),
        ({"image": 7}, "image"),
        ({"transition": "melt"}, "transition"),
        ({"shots": "three"}, "shots"),
        ({"model": "sora-2", "size": "160x96"}, "size"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be(fails, wrong, param):
    body = {"model": "sora-video", "messages": [{"role": "user", "content": "[1s] a cat [1s] a dog"}]} | wrong

    fails(400, "invalid_value", param, json=body)


@pytest.mark.parametrize("content", ["", "  \n", None, [], [{"type": "text", "text": ""}], [{"type": "unknown"}]])
@pytest.mark.parametrize("model", ["sora-video", "sora-image"])
def test_an_empty_prompt(fails_chat, content, model):
    fails_chat(400, "invalid_value", "messages", content, model=model)


def test_an_image_without_words_for_what_becomes_of_it(fails_chat, picture):
    fails_chat(400, "invalid_value", "messages", [picture], model="sora-image")


def test_an_unknown_model(fails_chat):
    assert "sora-9" in fails_chat(404, "model_not_found", "model", "a cat", model="sora-9")["message"]


def test_a_body_that_is_too_large(fails, server):
    body = {"model": "sora-video", "messages": [{"role": "user", "content": "x" * 4_000_000}]}

    fails(413, "request_too_large", json=body)
    assert server.http.get("/healthz").status_code == 200


# Files.


def _png(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _broken(photo: bytes) -> dict[str, str]:
    return {
        "truncated": _png(photo[: len(photo) // 2]),
        "damaged": _png(photo[:200] + b"\0" * 100 + photo[300:]),
        "only a head": _png(photo[:30]),
        "text": _png(b"I am no picture at all"),
        "no base64": "data:image/png;base64,%%%%",
        "bad padding": "data:image/png;base64,A",
        "bare words": "a picture of a cat",
        "empty": "data:image/png;base64,",
        "percent-encoded": "data:image/png,%89PNG",
        "no comma": "data:image/png;base64",
        "another scheme": "file:///etc/passwd",
    }


@pytest.mark.parametrize("which", _broken(b""))
def test_an_image_that_is_none(fails_chat, photo, text, which):
    url = _broken(photo)[which]

    fails_chat(400, "invalid_image", "messages", [text("dances"), {"type": "image_url", "image_url": {"url": url}}])


def test_a_video_where_an_image_should_be(fails_chat, film, url_of, text):
    part = {"type": "image_url", "image_url": url_of(film, "video/mp4")}

    fails_chat(400, "invalid_image", "messages", [text("dances"), part])


@pytest.mark.parametrize("which", ["truncated", "damaged", "a picture", "text", "no base64"])
def test_a_video_that_is_none(fails_chat, film, photo, url_of, which):
    urls = {
        "truncated": url_of(film[: len(film) // 2], "video/mp4"),
        "damaged": url_of(film[:40] + bytes(len(film) - 40), "video/mp4"),
        "a picture": url_of(photo, "video/mp4"),
        "text": url_of(b"I am no film at all", "video/mp4"),
        "no base64": "data:video/mp4;base64,%%%%",
    }

    fails_chat(400, "invalid_video", "messages", [{"type": "video_url", "video_url": {"url": urls[which]}}])


def test_an_image_beside_the_messages(fails_chat):
    fails_chat(400, "invalid_image", "image", "dances", image="nothing")


@pytest.mark.parametrize("kind", ["image_url", "video_url"])
@pytest.mark.parametrize("url", ["", None, {"url": ""}])
def test_a_part_without_its_url(fails_chat, kind, url):
    fails_chat(400, "invalid_value", "messages", [{"type": kind, kind: url}])


# Links.


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, kind, data = self.server.pages.get(self.path, (404, "text/plain", b"nothing"))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", data.decode())
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture(scope="module")
def pages(photo) -> Iterator[str]:
    """Somebody's site, at an address that the test's server may fetch from."""
    with ThreadingHTTPServer(("127.0.0.2", 0), _Pages) as site:
        site.pages = {
            "/photo.png": (200, "image/png", photo),
            "/text.png": (200, "image/png", b"I am no picture"),
            "/inward": (302, "text/plain", b"http://10.0.0.1/photo.png"),
            "/round": (302, "text/plain", b"/round"),
            "/away": (302, "text/plain", b"/photo.png"),
        }
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield f"http://127.0.0.2:{site.server_port}"
        site.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/a.png",
        "http://localhost/a.png",
        "http://10.0.0.1/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/a.png",
        "http://2130706433/a.png",
        "http://0x7f.1/a.png",
        "HTTP://192.168.1.1/a.png",
    ],
)
@pytest.mark.parametrize("kind", ["image_url", "video_url"])
def test_a_link_to_a_private_address(fails_chat, kind, url):
    fails_chat(400, "link_refused", "messages", [{"type": kind, kind: {"url": url}}])


def test_a_link_whose_host_is_unknown(fails_chat, text):
    part = {"type": "image_url", "image_url": "https://there.is.no.such.host.invalid/a.png"}

    fails_chat(400, "link_not_fetched", "messages", [text("dances"), part])


def test_links_are_fetched_only_where_they_may_lead(otherwise, pages, fails, text):
    def refused_link(path, code):
        parts = [text("dances"), {"type": "image_url", "image_url": {"url": pages + path}}]
        body = {"model": "sora-video", "messages": [{"role": "user", "content": parts}]}
        fails(400, code, "messages", to=otherwise, json=body)

    refused_link("/missing.png", "link_not_fetched")
    refused_link("/text.png", "invalid_image")
    refused_link("/inward", "link_refused")
    refused_link("/round", "link_not_fetched")
    for path in ("/photo.png", "/away"):
        parts = [text("dances"), {"type": "image_url", "image_url": pages + path}]
        assert otherwise.stream(parts).outcome["status"] == "completed"


def test_a_link_where_nobody_listens(otherwise, fails, text):
    parts = [text("dances"), {"type": "image_url", "image_url": "http://127.0.0.2:1/a.png"}]

    body = {"model": "sora-video", "messages": [{"role": "user", "content": parts}]}
    fails(400, "link_not_fetched", "messages", to=otherwise, json=body)


# What modes refuse.


@pytest.mark.parametrize("word", [UNKNOWN, f"https://sora.chatgpt.com/p/{UNKNOWN}"])
def test_a_remix_of_an_unknown_video(fails_chat, word):
    error = fails_chat(404, "not_found", "messages", f"{word} in ink")

    assert UNKNOWN in error["message"]


def test_a_remix_target_beside_the_messages_that_is_unknown(fails_chat):
    fails_chat(404, "not_found", "messages", "in ink", remix_target_id=UNKNOWN)


def test_a_remix_on_an_image_model(fails_chat):
    fails_chat(404, "not_found", "messages", f"{UNKNOWN} in ink", model="sora-image", mode="remix")


def test_a_remix_that_says_nothing(server, fails_chat):
    share = server.stream("a lake").outcome["share_id"]

    fails_chat(400, "invalid_value", "messages", f"https://sora.chatgpt.com/p/{share}")


@pytest.mark.parametrize("prompt", ["[5s] [5s] a cat", "[5s]", "[0.1s] a cat [1s] a dog", "[100s] a [100s] b"])
def test_a_storyboard_that_cannot_be_shot(fails_chat, prompt):
    fails_chat(400, "invalid_value", "messages", prompt)


@pytest.mark.parametrize("name", ["Anna", "an na", "anna.", ".anna", "anna..k", "аня", "@anna", "a/b"])
@pytest.mark.parametrize("field", ["name", "username"])
def test_a_character_with_a_name_that_no_prompt_could_call(fails_chat, video, field, name):
    fails_chat(400, "invalid_value", field, [video], **{field: name})


def test_a_character_of_several_videos(fails_chat, video):
    fails_chat(400, "invalid_value", "messages", [video, video])


def test_a_character_on_an_image_model(fails_chat, video):
    fails_chat(400, "invalid_value", "model", [video], model="sora-image")


@pytest.mark.parametrize("mode", ["video", "storyboard", "character", "remix", "image"])
def test_a_mode_that_cannot_be_forced_upon_the_model(server, refused, mode):
    model = "sora-video" if mode == "image" else "sora-image"

    reply = server.chat("a cat", model=model, mode=mode, size=None, seconds=None)

    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"]


# Anything at all.

WORDS = st.sampled_from(["", "a cat", "[1s] a [1s] b", "@anna", UNKNOWN, "data:image/png;base64,AAAA", "\x00", "𝕏"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | WORDS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PARTS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image_url", "video_url", "input_audio"]) | ANYTHING},
        optional={"text": WORDS | ANYTHING, "image_url": WORDS | ANYTHING, "video_url": WORDS | ANYTHING},
    ),
    max_size=3,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system", "tool"]) | ANYTHING, "content": WORDS | PARTS | ANYTHING}
    ),
    max_size=3,
)
NAMES = "n size seconds mode image video stream_options shots transition seed name username remix_target_id fps user"
BODIES = st.fixed_dictionaries(
    {"messages": MESSAGES | ANYTHING, "stream": st.just(True)},
    optional=dict.fromkeys(NAMES.split(), ANYTHING)
    | {"model": st.sampled_from(["sora-image", "sora-video"]) | ANYTHING},
)


@pytest.fixture
def patient(slow):
    """A server that makes nothing of what it takes; that is cancelled afterwards."""
    yield slow
    for (job,) in slow.rows("select id from jobs where status in ('queued', 'in_progress')"):
        slow.http.post(f"/v1/videos/{job}/cancel")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES | ANYTHING)
def test_no_body_whatever_is_a_fault_of_ours(patient, body):
    with patient.http.stream("POST", "/v1/chat/completions", content=json.dumps(body)) as reply:
        assert reply.status_code < 500, reply.read()
