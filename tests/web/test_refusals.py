"""What is refused names the field that it stood in, so that the panel's forms can mark it."""

import pytest
from served import Served

VIDEO = {"makes": "video", "size": "1280x720", "seconds": 4}
ENGINE = {"driver": "openai", "base_url": "http://127.0.0.1:9/v1"}


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
    ],
)
def test_a_refusal_names_its_field(served: Served, method: str, path: str, body: dict, field: str):
    refused = served.api().request(method, path, json=body)

    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["param"] == field, refused.text
