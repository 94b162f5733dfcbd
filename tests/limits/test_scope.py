"""What a key may ask for, and whose accounts work for it."""

import pytest
from keyed import SMALL, KeyedRig

from sora2api.auth.limits import Limits


@pytest.fixture(scope="module")
def served(module_rig) -> KeyedRig:
    rig = module_rig
    rig.make_keys(
        free=Limits(),
        stills=Limits(modes=("image",)),
        narrow=Limits(models=("sora-image", "sora-2-2025-10-06")),
        gold=Limits(group="gold"),
        lead=Limits(group="lead"),
    )
    rig.connect(name="golden")
    rig.change("update accounts set groups = ? where name = 'golden'", b'["gold"]')
    rig.run("model", "set", "sora-video-15s", "--group", "gold")
    rig.run("model", "set", "own-video", "--makes", "video", "--size", "160x96", "--seconds", "1", "--group", "lead")
    rig.start_server()
    return rig


def listed(rig: KeyedRig, name: str) -> set[str]:
    with rig.client(name) as client:
        return {model["id"] for model in client.get("/v1/models").json()["data"]}


def test_a_mode_that_is_not_named_is_refused_before_anything_is_stored(served, refused):
    jobs = served.rows("select count(*) from jobs")

    error = refused(served.post("stills"), 403, "mode_not_allowed")

    assert error["type"] == "permission_error"
    assert served.rows("select count(*) from jobs") == jobs


def test_a_mode_that_is_named_is_let_in(served):
    with served.client("stills") as client:
        reply = client.post("/v1/images/generations", json={"model": "sora-image", "prompt": "a lantern"})

    assert reply.status_code == 200


@pytest.mark.parametrize("name", ["sora-2", "sora-2-2025-10-06", "sora-2-2025-12-08"])
def test_a_model_may_be_asked_for_by_any_of_its_names(served, name):
    assert served.post("narrow", model=name, size="720x1280").status_code == 200


def test_other_models_are_refused_and_not_listed(served, refused):
    refused(served.post("narrow"), 403, "model_not_allowed")
    with served.client("narrow") as client:
        refused(client.get("/v1/models/sora-video"), 403, "model_not_allowed")
        assert client.get("/v1/models/sora-2").status_code == 200
    assert listed(served, "narrow") == {"sora-image", "sora-2"}
    assert "sora-video" in listed(served, "free")


def test_a_keys_jobs_are_made_by_the_accounts_of_its_group(served):
    jobs = [served.made("gold")["id"] for _ in range(4)]

    (golden,) = served.rows("select id from accounts where name = 'golden'")
    made_by = served.rows("select job_id, account_id from tasks")
    assert {account for job, account in made_by if job in jobs} == set(golden)


def test_a_models_jobs_are_made_by_the_accounts_of_its_group(served):
    jobs = [served.made("free", model="sora-video-15s")["id"] for _ in range(2)]

    (golden,) = served.rows("select id from accounts where name = 'golden'")
    made_by = served.rows("select job_id, account_id from tasks")
    assert {account for job, account in made_by if job in jobs} == set(golden)


def test_a_group_without_accounts_makes_nothing_and_lists_nothing(served, refused):
    refused(served.post("lead"), 503, "no_engine")
    refused(served.post("free", model="own-video"), 503, "no_engine")
    assert listed(served, "lead") == set()
    assert "own-video" not in listed(served, "free")


def test_a_group_counts_in_a_chat_too(served, refused):
    chat = {"model": "sora-video", "messages": [{"role": "user", "content": SMALL["prompt"]}]}

    with served.client("stills") as client:
        refused(client.post("/v1/chat/completions", json=chat), 403, "mode_not_allowed")
    with served.client("lead") as client:
        refused(client.post("/v1/chat/completions", json=chat), 503, "no_engine")
