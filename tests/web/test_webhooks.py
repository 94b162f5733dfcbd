"""Webhooks and plugins in the panel and its API."""

import httpx2
import pytest

KEY = {"Authorization": "Bearer han1234"}


@pytest.fixture
def endpoint(served):
    """An endpoint that a client has made, and its secret."""
    body = {"name": "my site", "url": "http://127.0.0.1:9/hooks", "event_types": ["video.completed"]}
    made = httpx2.post(f"{served.url}/v1/webhook_endpoints", json=body, headers=KEY, trust_env=False)
    assert made.status_code == 200, made.text
    yield made.json()
    served.api().delete(f"/webhooks/{made.json()['id']}")


def test_endpoints_of_all_keys_are_listed_without_their_secrets(served, endpoint):
    listed = served.api("viewer").get("/webhooks")
    page = served.page.get(f"/webhooks?open={endpoint['id']}").text

    assert endpoint["id"] in [each["id"] for each in listed.json()["endpoints"]]
    assert endpoint["signing_secret"] not in listed.text + page
    assert "http://127.0.0.1:9/hooks" in page


def test_an_operator_switches_an_endpoint_and_a_viewer_does_not(served, endpoint):
    path = f"/webhooks/{endpoint['id']}"
    refused = [served.api("viewer").post(f"{path}/{act}").status_code for act in ("disable", "enable")]
    off = served.api("operator").post(f"{path}/disable").json()
    on = served.api("operator").post(f"{path}/enable").json()

    assert refused == [403, 403]
    assert off["disabled_at"] is not None
    assert on["disabled_at"] is None


def test_an_endpoint_that_is_removed_is_gone_for_its_owner_too(served, endpoint):
    assert served.api("viewer").delete(f"/webhooks/{endpoint['id']}").status_code == 403
    assert served.api("operator").delete(f"/webhooks/{endpoint['id']}").status_code == 200

    url = f"{served.url}/v1/webhook_endpoints/{endpoint['id']}"
    assert httpx2.get(url, headers=KEY, trust_env=False).status_code == 404


def test_alerts_tell_whether_there_is_somewhere_to_tell_them(served):
    told = served.api("viewer").get("/webhooks/alerts").json()

    assert told["url"] is False
    assert "alert_url" in served.page.get("/webhooks").text


def test_plugins_are_listed_with_their_settings_and_parameters(served):
    plugins = {(each["kind"], each["name"]): each for each in served.api("viewer").get("/plugins").json()["plugins"]}
    page = served.page.get("/plugins?open=driver.openai").text

    assert plugins["mode", "storyboard"]["priority"] > plugins["mode", "video"]["priority"]
    assert "dialect" in [field["name"] for field in plugins["driver", "openai"]["settings"]]
    assert all(each["ready"] for each in plugins.values())
    assert "dialect" in page
