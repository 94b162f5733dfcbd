"""What is refused names the field that it stood in, so that the panel's forms can mark it."""

import re

import pytest
from served import PASSWORD, Served, token

VIDEO = {"makes": "video", "size": "1280x720", "seconds": 4}
ENGINE = {"driver": "openai", "base_url": "http://127.0.0.1:9/v1"}
HUGE = 2**64 - 1
WISH = {"model": "sora-2", "prompt": "A boat"}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/proxies", {"name": "bad", "url": "ftp://proxy.example:1"}, "url"),
        ("POST", "/proxies", {"name": "bad"}, "url"),
        ("POST", "/proxies", {"name": "spread", "url": "http://proxy.example:1"}, "name"),
        ("POST", "/accounts", {"driver": "none", "base_url": "http://127.0.0.1:9/v1"}, "driver"),
        ("POST", "/accounts", {"driver": "openai", "base_url": "nowhere"}, "base_url"),
        ("POST", "/accounts", {**ENGINE, "proxy": "nobody"}, "proxy"),
        ("POST", "/accounts", {**ENGINE, "proxy": "ftp://proxy.example:1"}, "proxy"),
        ("POST", "/accounts", {**ENGINE, "refresh_url": "nowhere"}, "refresh_url"),
        ("POST", "/accounts", {**ENGINE, "video_slots": -1}, "video_slots"),
        ("POST", "/accounts", {**ENGINE, "weight": "heavy"}, "weight"),
        ("POST", "/accounts", {**ENGINE, "image_slots": HUGE}, "image_slots"),
        ("POST", "/accounts", {**ENGINE, "weight": 1e300}, "weight"),
        ("POST", "/accounts", {**ENGINE, "priority": -(10**18)}, "priority"),
        ("POST", "/accounts", {**ENGINE, "calls_a_minute": HUGE}, "calls_a_minute"),
        ("POST", "/accounts", {**ENGINE, "daily_videos": HUGE}, "daily_videos"),
        ("PATCH", "/accounts/sandbox", {"video_slots": HUGE}, "video_slots"),
        ("POST", "/accounts", {**ENGINE, "groups": [""]}, "groups"),
        ("POST", "/accounts", {**ENGINE, "settings": {"nothing": "such"}}, "settings"),
        ("POST", "/keys", {"name": ""}, "name"),
        ("POST", "/keys", {"name": "bad", "networks": ["here"]}, "networks"),
        ("POST", "/keys", {"name": "bad", "daily_jobs": -1}, "daily_jobs"),
        ("POST", "/keys", {"name": "bad", "monthly_money": -1}, "monthly_money"),
        ("POST", "/keys", {"name": "bad", "requests_a_minute": 0}, "requests_a_minute"),
        ("POST", "/keys", {"name": "bad", "expires": "some day"}, "expires"),
        ("PATCH", "/models/bad", {**VIDEO, "size": "large"}, "size"),
        ("PATCH", "/models/bad", {**VIDEO, "sizes": ["large"]}, "sizes"),
        ("PATCH", "/models/bad", {"makes": "video", "size": "1280x720"}, "seconds"),
        ("POST", "/users", {"name": "", "role": "viewer"}, "name"),
        ("POST", "/users", {"name": "bad", "role": "king"}, "role"),
        ("POST", "/panel_keys", {"name": "", "role": "viewer"}, "name"),
        ("PATCH", "/settings/port", {"value": "high"}, "value"),
        ("POST", "/accounts", {**ENGINE, "settings": {"dialect": "klingon"}}, "settings.dialect"),
        ("POST", "/accounts/import", {"text": " "}, "text"),
        ("POST", "/accounts/import", {"text": "sk-one"}, "driver"),
        ("POST", "/accounts/import", {"text": "[{]", "format": "json"}, "text"),
        ("POST", "/accounts/import", {"file": "[{]", "format": "json"}, "file"),
        ("POST", "/accounts/import", {"text": "x,y\n1,2", "format": "csv"}, "text"),
        ("POST", "/accounts/import", {"text": "sk-one", "format": "exe"}, "format"),
        ("POST", "/accounts/import/preview", {"text": "sk-one", "update": "perhaps"}, "update"),
        ("POST", "/accounts/export", {"format": "exe"}, "format"),
        ("POST", "/accounts/export", {"secrets": True}, "passphrase"),
        ("GET", "/webhooks?limit=0", None, "limit"),
        ("GET", "/webhooks/nobody?limit=many", None, "limit"),
        ("POST", "/studio/jobs", {"prompt": "A boat"}, "model"),
        ("POST", "/studio/jobs", {**WISH, "prompt": ""}, "prompt"),
        ("POST", "/studio/jobs", {**WISH, "size": "large"}, "size"),
        ("POST", "/studio/jobs", {**WISH, "seconds": -1}, "seconds"),
        ("POST", "/studio/jobs", {**WISH, "n": 99}, "n"),
        ("POST", "/studio/jobs", {**WISH, "key": "nobody"}, "key"),
        ("POST", "/studio/jobs", {**WISH, "files": ["nothing"]}, "files"),
    ],
)
def test_a_refusal_names_its_field(served: Served, method: str, path: str, body: dict | None, field: str):
    refused = served.api().request(method, path, json=body)

    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["param"] == field, refused.text


@pytest.mark.parametrize(
    ("password", "again", "field"), [("short", "short", "password"), (PASSWORD, "another one of them", "again")]
)
def test_a_refused_password_is_marked_in_its_form(served: Served, password: str, again: str, field: str):
    served.page.log_in_again()
    asked = served.page.get("/me")
    refused = served.page.post("/me/password", csrf=token(asked), password=password, again=again)

    assert refused.status_code == 400
    assert marked(refused.text) == [field]


def test_a_refused_code_is_marked_in_its_form(served: Served):
    served.page.log_in_again()
    refused = served.page.post("/me/factor", csrf=token(served.page.get("/me/factor")), code="none")

    assert refused.status_code == 400
    assert marked(refused.text) == ["code"]


def test_a_form_marks_a_setting_of_the_driver(served: Served):
    asked = served.page.get("/accounts/add")
    refused = served.page.client.post(
        "/admin/do/accounts.add",
        data={"csrf": token(asked), **ENGINE, "settings.dialect": "klingon"},
        headers={"Origin": served.url},
    )

    assert refused.status_code == 400
    assert marked(refused.text) == ["settings.dialect"]


def marked(page: str) -> list[str]:
    """The fields that a page shows to be wrong."""
    return re.findall(r'name="([^"]+)" aria-invalid="true"', page)
