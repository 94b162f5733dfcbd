"""Webhooks of a real server reach real receivers, and the SDK verifies them."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import openai
import pytest
from running import Running
from webhooks.receivers import NEAR, client_of, deliveries, draw, settled

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")  # it has been, elsewhere

EVENTS = ["image.completed", "image.failed"]


def test_an_image_and_a_video_that_are_completed_are_told(client, receiver):
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=["image.completed", "video.completed"])

    image = draw(client)
    video = client.videos.create_and_poll(prompt="a cat", model="sora-video", size="160x96", seconds="1")

    events = [received.event(endpoint.signing_secret) for received in receiver.wait(2)]
    assert [(event.type, event.data.id) for event in events] == [
        ("image.completed", image),
        ("video.completed", video.id),
    ]
    raw = json.loads(receiver.received[1].body)
    assert raw.keys() == {"id", "object", "created_at", "type", "data"}
    assert (raw["object"], raw["data"]) == ("event", {"id": video.id})
    assert raw["id"].startswith("evt_")
    assert abs(raw["created_at"] - time.time()) < 30
    assert client.videos.retrieve(raw["data"]["id"]).status == "completed"


def test_a_forged_signature_is_noticed(client, receiver):
    client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)

    draw(client)

    with pytest.raises(openai.InvalidWebhookSignatureError):
        receiver.wait()[0].event("whsec_bm90IHRoZSBzZWNyZXQ=")


def test_only_what_was_asked_for_is_told(client, receive):
    images, videos = receive(), receive()
    client.webhooks.create(name="images", url=images.url, event_types=["image.completed"])
    client.webhooks.create(name="videos", url=videos.url, event_types=["video.completed", "video.failed"])

    draw(client)
    client.videos.create_and_poll(prompt="a cat", model="sora-video", size="160x96", seconds="1")

    assert [json.loads(videos.wait()[0].body)["type"]] == ["video.completed"]
    assert [json.loads(received.body)["type"] for received in images.received] == ["image.completed"]
    assert len(videos.received) == 1


def test_a_cancelled_video_is_told_as_failed_unless_cancelled_is_asked_for(tmp_path, receive):
    failed, cancelled = receive(), receive()
    options = ("--sandbox-delay", "600", *NEAR[2:])
    with Running("serve", tmp_path / "data", *options) as server, client_of(server) as client:
        client.webhooks.create(name="a", url=failed.url, event_types=["video.failed"])
        client.webhooks.create(name="b", url=cancelled.url, event_types=["video.failed", "video.cancelled"])
        video = client.videos.create(prompt="a cat", model="sora-video", size="160x96", seconds="1")

        client.post(f"/videos/{video.id}/cancel", cast_to=object)

        assert json.loads(failed.wait()[0].body)["type"] == "video.failed"
        assert json.loads(cancelled.wait()[0].body)["type"] == "video.cancelled"
        assert client.videos.retrieve(video.id).error.code == "cancelled"


def test_what_an_endpoint_cannot_take_is_sent_again_under_the_same_id(client, receiver):
    receiver.status = 500
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)

    draw(client)
    first = receiver.wait()[0]
    waiting = settled(client, endpoint.id)
    receiver.status = 204
    second = receiver.wait(2)[1]

    assert (waiting["status"], waiting["status_code"], waiting["attempts"]) == ("pending", 500, 1)
    assert (second.id, second.body) == (first.id, first.body) == (waiting["id"], first.body)
    assert 3.5 < second.at - first.at < 8
    second.event(endpoint.signing_secret)


def test_what_was_not_delivered_survives_a_kill(tmp_path, receiver):
    receiver.open.clear()
    server = Running("serve", tmp_path / "data", *NEAR)
    try:
        with client_of(server) as client:
            endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)
            job = draw(client)
        first = receiver.wait()[0]
    finally:
        server.kill()
    receiver.open.set()

    with Running("serve", tmp_path / "data", *NEAR):
        second = receiver.wait(2)[1]

    assert (second.id, second.body) == (first.id, first.body)
    assert second.event(endpoint.signing_secret).data.id == job


def test_a_redirect_is_not_followed(client, receiver):
    receiver.status = 307
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)

    draw(client)

    delivery = settled(client, endpoint.id)
    assert (delivery["status"], delivery["status_code"], delivery["error"]) == ("pending", 307, "The answer was 307.")
    assert len(receiver.received) == 1


def test_an_endpoint_that_is_gone_is_told_nothing_more_until_it_is_enabled(client, receiver):
    receiver.status = 410
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)
    draw(client)
    gone = settled(client, endpoint.id)
    deadline = time.monotonic() + 5
    while client.webhooks.retrieve(endpoint.id).status == "enabled":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    receiver.status = 200

    draw(client)
    with pytest.raises(openai.BadRequestError, match="disabled"):
        redeliver(client, endpoint.id, gone["id"])
    client.webhooks.update(endpoint.id, extra_body={"status": "enabled"})
    told = draw(client)

    assert json.loads(receiver.wait(2)[1].body)["data"]["id"] == told
    assert gone["status"] == "failed"
    assert [each["event"]["data"]["id"] for each in deliveries(client, endpoint.id)] == [
        told,
        gone["event"]["data"]["id"],
    ]


def redeliver(client, endpoint_id, delivery_id):
    return client.post(f"/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}/redeliver", cast_to=object)


def test_a_delivery_can_be_sent_again(client, receiver):
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)
    draw(client)
    receiver.wait()
    delivered = settled(client, endpoint.id)

    again = redeliver(client, endpoint.id, delivered["id"])
    first, second = receiver.wait(2)

    assert (delivered["status"], delivered["next_attempt_at"]) == ("delivered", None)
    assert (again["status"], again["attempts"]) == ("pending", 0)
    assert (first.id, first.body) == (second.id, second.body) == (delivered["id"], first.body)
    with pytest.raises(openai.NotFoundError):
        redeliver(client, endpoint.id, "wh_none")


def test_after_a_rotation_both_secrets_verify_or_the_new_one_alone(client, receiver):
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)
    both = client.webhooks.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
    draw(client)
    with_both = receiver.wait()[0]
    alone = client.webhooks.rotate_secret(endpoint.id)
    draw(client)
    with_one = receiver.wait(2)[1]

    assert len({endpoint.signing_secret, both.signing_secret, alone.signing_secret}) == 3
    with_both.event(endpoint.signing_secret)
    with_both.event(both.signing_secret)
    with_one.event(alone.signing_secret)
    for old in (endpoint, both):
        with pytest.raises(openai.InvalidWebhookSignatureError):
            with_one.event(old.signing_secret)


def test_a_test_event_is_sent_at_once_and_its_answer_told(client, receiver):
    receiver.status = 418
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=["video.completed"])

    result = client.webhooks.test(endpoint.id, event_type="video.failed")

    assert (result.object, result.success) == ("webhook_endpoint.test", True)
    assert (result.event_type, result.status_code) == ("video.failed", 418)
    assert result.webhook_endpoint_id == endpoint.id
    assert receiver.received[0].event(endpoint.signing_secret).type == "video.failed"
    receiver.close()
    with pytest.raises(openai.BadRequestError, match="could not be fetched"):
        client.webhooks.test(endpoint.id, event_type="video.failed")


def test_a_callback_url_is_told_of_its_own_job_alone(client, receiver):
    secret = client.get("/webhook_endpoints/callback_secret", cast_to=object)["signing_secret"]

    draw(client)
    told = draw(client, callback_url=receiver.url)
    chat = client.chat.completions.create(
        model="sora-image",
        messages=[{"role": "user", "content": "a lighthouse"}],
        extra_body={"callback_url": receiver.url, "size": "64x64"},
    )
    video = client.videos.create(
        prompt="a cat",
        model="sora-video",
        size="160x96",
        seconds="1",
        extra_body={"callback_url": receiver.url},
    )
    client.videos.poll(video.id)
    remixed = client.videos.remix(video.id, prompt="at night", extra_body={"callback_url": receiver.url})

    events = [received.event(secret) for received in receiver.wait(4)]
    assert [(event.type, event.data.id) for event in events] == [
        ("image.completed", told),
        ("image.completed", chat.model_extra["sora2api"]["job"]),
        ("video.completed", video.id),
        ("video.completed", remixed.id),
    ]


@pytest.mark.parametrize(
    "url", ["ftp://example.com/x", "mailto:me@example.com", "http://10.0.0.1/x", "", "http://[::1]/"]
)
def test_a_callback_to_somewhere_private_is_refused(client, url):
    with pytest.raises(openai.BadRequestError) as refused:
        draw(client, callback_url=url)

    assert refused.value.param == "callback_url"


def test_private_targets_are_refused_where_they_are_not_allowed(tmp_path, receiver):
    folder = tmp_path / "data"
    with Running("serve", folder, *NEAR) as server, client_of(server) as client:
        endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)

    with Running("serve", folder, "--sandbox-delay", "0") as server, client_of(server) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)
        draw(client)
        delivery = settled(client, endpoint.id)

    assert (refused.value.param, refused.value.code) == ("url", "link_refused")
    assert (delivery["status"], delivery["error"]) == ("pending", "The link points to an address that is not public.")
    assert receiver.received == []


def test_a_dead_endpoint_delays_no_other(client, receive):
    dead, lively = receive(), receive()
    dead.open.clear()
    client.webhooks.create(name="dead", url=dead.url, event_types=EVENTS)
    for _ in range(6):
        draw(client)
    dead.wait(4)
    client.webhooks.create(name="lively", url=lively.url, event_types=EVENTS)

    told = draw(client)

    assert json.loads(lively.wait()[0].body)["data"]["id"] == told
    assert len(dead.received) == 4


def test_another_owners_endpoint_is_not_there(server, client, receiver, tmp_path):
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)
    draw(client)
    receiver.wait()
    delivery = settled(client, endpoint.id)
    with client_of(server, _other_key(server)) as other:
        asks = (
            lambda: other.webhooks.retrieve(endpoint.id),
            lambda: other.webhooks.update(endpoint.id, name="yours"),
            lambda: other.webhooks.rotate_secret(endpoint.id),
            lambda: other.webhooks.test(endpoint.id, event_type="video.failed"),
            lambda: other.webhooks.delete(endpoint.id),
            lambda: deliveries(other, endpoint.id),
            lambda: redeliver(other, endpoint.id, delivery["id"]),
            lambda: other.webhooks.list(after=endpoint.id),
        )
        for ask in asks:
            with pytest.raises(openai.NotFoundError):
                ask()
        assert list(other.webhooks.list()) == []
        draw(other)

    assert client.webhooks.retrieve(endpoint.id).name == "mine"
    assert [each["id"] for each in deliveries(client, endpoint.id)] == [delivery["id"]]


def _other_key(server):
    command = [
        sys.executable,
        "-m",
        "sora2api",
        "key",
        "create",
        "--name",
        "other",
        "--data-dir",
        server.folder,
        "--json",
    ]
    made = subprocess.run(command, capture_output=True, check=True)
    key = json.loads(made.stdout)["key"]
    with client_of(server, key) as other:
        deadline = time.monotonic() + 10
        while True:  # the server looks each second
            try:
                other.models.list()
            except openai.AuthenticationError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return key


def test_endpoints_are_managed_as_openais(client, receiver):
    types = client.webhooks.event_types.list()
    endpoints = [
        client.webhooks.create(name=f"no {number}", url=receiver.url, event_types=["video.completed"])
        for number in range(3)
    ]
    first = endpoints[0]

    assert types.data == ["video.completed", "video.failed", "video.cancelled", "image.completed", "image.failed"]
    assert first.signing_secret.startswith("whsec_")
    assert first.signing_secret_hint == f"whsec_...{first.signing_secret[-4:]}"
    assert [endpoint.id for endpoint in client.webhooks.list(limit=1)] == [one.id for one in reversed(endpoints)]
    kept = client.webhooks.retrieve(first.id)
    assert (kept.object, kept.name, kept.url, kept.event_types) == (
        "webhook_endpoint",
        "no 0",
        receiver.url,
        ["video.completed"],
    )
    assert "signing_secret" not in kept.model_extra
    changed = client.webhooks.update(first.id, name="new", event_types=["image.failed"])
    assert (changed.name, changed.url, changed.event_types) == ("new", receiver.url, ["image.failed"])
    assert client.webhooks.delete(first.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.webhooks.retrieve(first.id)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"event_types": ["batch.completed"]}, "event_types"),
        ({"event_types": []}, "event_types"),
        ({"name": ""}, "name"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://example.com/" + "a" * 2000}, "url"),
        ({"url": None}, "url"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(client, receiver, fields, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.webhooks.create(**{"name": "mine", "url": receiver.url, "event_types": EVENTS} | fields)

    assert refused.value.param == param


def test_no_secret_lies_open_in_the_database(server, client, receiver):
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=EVENTS)

    with closing(sqlite3.connect(server.folder / "sora2api.db")) as database:
        rows = database.execute("select * from webhook_endpoints").fetchall()

    assert len(rows) == 1
    assert endpoint.signing_secret.encode() not in b"".join(str(value).encode() for value in rows[0])
