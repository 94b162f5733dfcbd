"""Who may call, from where, and how often."""

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from keyed import KeyedRig
from openai import AuthenticationError, PermissionDeniedError, RateLimitError

from sora2api.auth.limits import Limits, Quota


@pytest.fixture(scope="module")
def served(module_rig) -> KeyedRig:
    rig = module_rig
    rig.make_keys(
        free=Limits(),
        few=Limits(requests_a_minute=5),
        three=Limits(requests_a_minute=3),
        one=Limits(requests_a_minute=1),
        here=Limits(networks=("127.0.0.0/8", "::1")),
        elsewhere=Limits(networks=("192.0.2.0/24",)),
        over=Limits(),
        daily=Limits(day=Quota(jobs=9, seconds=7.5), month=Quota(jobs=4)),
    )
    rig.change("update keys set expires_at = ? where name = 'over'", time.time() - 1)
    rig.start_server()
    return rig


def models(rig: KeyedRig, name: str) -> httpx2.Response:
    with rig.client(name) as client:
        return client.get("/v1/models")


def test_of_many_requests_at_once_as_many_get_in_as_the_minute_allows(served, refused):
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(lambda _: models(served, "few"), range(32)))

    assert Counter(reply.status_code for reply in replies) == {200: 5, 429: 27}
    late = next(reply for reply in replies if reply.status_code == 429)
    refused(late, 429, "rate_limit_exceeded")
    assert 0 < int(late.headers["retry-after"]) <= 60
    assert late.headers["x-should-retry"] == "true"
    assert late.headers["x-ratelimit-remaining-requests"] == "0"


def test_each_reply_counts_down_what_is_left_of_the_minute(served):
    replies = [models(served, "three") for _ in range(3)]

    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["2", "1", "0"]
    assert {reply.headers["x-ratelimit-limit-requests"] for reply in replies} == {"3"}
    assert replies[0].headers["x-ratelimit-reset-requests"] == "1m0s"


def test_the_sdk_raises_what_it_raises_at_openai(served):
    with served.openai("one") as client:
        client.models.list()
        with pytest.raises(RateLimitError) as limited:
            client.models.list()
    with served.openai("elsewhere") as client, pytest.raises(PermissionDeniedError) as denied:
        client.models.list()
    with served.openai("over") as client, pytest.raises(AuthenticationError) as expired:
        client.models.list()

    assert limited.value.code == "rate_limit_exceeded"
    assert denied.value.code == "address_not_allowed"
    assert expired.value.code == "api_key_expired"


def test_a_key_is_good_in_its_networks_alone(served, refused):
    assert models(served, "here").status_code == 200
    refused(models(served, "elsewhere"), 403, "address_not_allowed")


def test_a_key_without_limits_is_told_of_none(served):
    assert not [name for name in models(served, "free").headers if name.startswith("x-ratelimit")]


def test_jobs_and_seconds_are_told_of_the_window_that_leaves_less(served):
    told = {
        name.removeprefix("x-ratelimit-"): value
        for name, value in models(served, "daily").headers.items()
        if name.startswith("x-ratelimit-")
    }

    resets = {name: told.pop(name) for name in ("reset-jobs", "reset-seconds")}
    assert told == {"limit-jobs": "4", "remaining-jobs": "4", "limit-seconds": "7.5", "remaining-seconds": "7.5"}
    assert all(re.fullmatch(r"(\d+h)?(\d+m)?\d+s", reset) for reset in resets.values())


def test_a_running_server_heeds_what_a_command_changes(served, refused):
    served.run("key", "change", "free", "--network", "192.0.2.0/24")
    end = time.monotonic() + 5
    while models(served, "free").status_code == 200 and time.monotonic() < end:
        time.sleep(0.05)
    refused(models(served, "free"), 403, "address_not_allowed")

    served.run("key", "change", "free", "--clear", "network")
    while models(served, "free").status_code == 403 and time.monotonic() < end:
        time.sleep(0.05)
    assert models(served, "free").status_code == 200
