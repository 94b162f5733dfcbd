"""What the OpenAPI document tells of the admin API: each operation, who may do it, and what it takes and gives."""

import httpx2
import pytest
from openapi_schema_validator import OAS31Validator

from sora2api.web.table import BY_NAME, TABLE

ROOT = "/admin/api/v1"
LISTS = ("accounts", "jobs", "keys", "models", "overview", "plugins", "proxies", "requests", "settings", "studio")
MORE = ("audit", "panel_keys", "sessions", "users", "webhooks", "webhooks/alerts")


@pytest.fixture(scope="module")
def document(served):
    return httpx2.get(f"{served.url}/openapi.json", trust_env=False).json()


def told(document, name):
    operation = BY_NAME[name]
    return document["paths"][ROOT + operation.path][operation.method.lower()]


def check(document, value, schema):
    OAS31Validator({**schema, "components": document["components"]}).validate(value)


def test_each_operation_tells_who_may_do_it_and_what_with(document):
    for operation in TABLE:
        found = told(document, operation.name)
        assert found["operationId"] == f"admin.{operation.name}"
        assert found["description"] == f"Needs the role {operation.role}, or one above it."
        assert found["security"] == [{"panel-key": []}]


def test_all_fields_of_an_operation_are_told_once_each_where_they_are_read(document):
    schemas = document["components"]["schemas"]

    for operation in TABLE:
        found = told(document, operation.name)
        fields = [parameter["name"] for parameter in found["parameters"]]
        if "requestBody" in found:
            assert operation.method != "GET"
            fields += schemas[f"admin.{operation.name}"]["properties"]
        assert sorted(fields) == sorted(operation.takes.__struct_fields__), operation.name


@pytest.mark.parametrize("path", LISTS + MORE)
def test_a_reply_is_as_it_is_told(document, served, path):
    reply = served.api().get(f"/{path}")
    content = document["paths"][f"{ROOT}/{path}"]["get"]["responses"]["200"]["content"]

    assert reply.status_code == 200
    check(document, reply.json(), content["application/json"]["schema"])


def test_a_body_that_is_as_it_is_told_is_taken(document, served):
    body = {"name": "told", "daily_jobs": 5, "expires": "30d"}
    check(document, body, document["components"]["schemas"]["admin.keys.create"])

    reply = served.api("operator").post("/keys", json=body)
    content = told(document, "keys.create")["responses"]["200"]["content"]
    check(document, reply.json(), content["application/json"]["schema"])


def test_no_two_things_have_the_same_name(document):
    own = [name.removeprefix("admin.") for name in document["components"]["schemas"] if name.startswith("admin.")]

    assert [name for name in own if name not in BY_NAME and not name.isalpha()] == []


def test_the_page_tells_of_the_admin_api_too(served):
    page = httpx2.get(f"{served.url}/docs", trust_env=False).text

    assert 'id="admin.accounts.list"' in page
    assert "Needs the role administrator" in page
