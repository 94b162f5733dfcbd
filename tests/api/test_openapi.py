"""The OpenAPI document and its page: they tell of the whole API, and anybody may read them."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import httpx2
import msgspec
import pytest
from openapi_spec_validator import validate

from sora2api.api.routes import TABLE
from sora2api.web.table import TABLE as OPERATIONS

ADMIN = "/admin/api/v1"


@pytest.fixture(scope="module")
def document(url):
    return httpx2.get(f"{url}/openapi.json").json()


def _path(path: str) -> str:
    return "/v1" + re.sub(r"{(\w+):[^}]*}", r"{\1}", path)


def test_it_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_it_tells_of_every_path_and_of_no_other(document):
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    ours = {(method, _path(row.path)) for row in TABLE for method in row.methods}
    admin = {(operation.method, ADMIN + operation.path) for operation in OPERATIONS}

    assert told == ours | admin | {("POST", f"{ADMIN}/studio/files")}


def test_every_operation_tells_of_its_reply_and_its_errors(document):
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert {"200", "401", "4XX", "5XX"} <= operation["responses"].keys(), operation["operationId"]
        assert operation["summary"]


def test_what_takes_a_body_tells_what_it_holds(document):
    bodies = {row.handler.__name__: row.body for row in TABLE if row.body}
    schemas = document["components"]["schemas"]

    assert {"create_video", "chat_completions", "edit_images", "create_endpoint"} <= bodies.keys()
    for body in bodies.values():
        fields = {field.encode_name for field in msgspec.structs.fields(body)}
        assert fields == schemas[body.__name__]["properties"].keys()


def test_a_form_takes_files_where_it_should(document):
    form = document["paths"]["/v1/videos"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]

    assert form["properties"]["input_reference"] == {"type": "string", "format": "binary"}
    assert form["required"] == ["prompt"]


class Page(HTMLParser):
    """The ids and the links of a page, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.loaded += [tag] if tag in {"script", "link", "img", "iframe"} or "src" in given else []


def test_the_page_tells_all_and_loads_nothing(url, document):
    reply = httpx2.get(f"{url}/docs")
    page = Page(reply.text)

    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert page.loaded == []
    assert len(page.ids) == len(set(page.ids))
    assert {row.handler.__name__ for row in TABLE} <= set(page.ids)
    assert {f"schema-{name}" for name in document["components"]["schemas"]} <= set(page.ids)
    assert [link for link in page.links if link.removeprefix("#") not in page.ids] == ["/openapi.json"]


def test_the_page_may_do_nothing_but_look_as_it_was_made_to(url):
    reply = httpx2.get(f"{url}/docs")
    (style,) = re.findall("<style>(.*?)</style>", reply.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    policy = reply.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", f"style-src 'sha256-{digest}'"} <= set(policy)
    assert "url(" not in style
