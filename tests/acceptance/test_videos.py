"""Jobs as OpenAI's Videos API shows them: get, list, content, delete; each owner's own."""

import pytest

KEYS = {
    "id",
    "object",
    "model",
    "status",
    "progress",
    "created_at",
    "completed_at",
    "expires_at",
    "error",
    "prompt",
    "size",
    "seconds",
    "remixed_from_video_id",
}


def test_a_video_has_all_its_keys_in_the_right_types(server):
    job = server.stream("a mill").job

    video = server.job(job)

    assert set(video) >= KEYS
    assert (video["id"], video["object"], video["status"], video["progress"]) == (job, "video", "completed", 100)
    assert (video["model"], video["prompt"], video["size"], video["seconds"]) == (
        "sora-video",
        "a mill",
        "160x96",
        "1",
    )
    assert all(isinstance(video[key], int) for key in ("progress", "created_at", "completed_at", "expires_at"))
    assert video["created_at"] <= video["completed_at"] < video["expires_at"]
    assert (video["error"], video["remixed_from_video_id"]) == (None, None)


def test_a_video_that_failed_says_why(server):
    video = server.job(server.stream("a mill [refuse]").job)

    assert (video["status"], video["error"]["code"], video["seconds"]) == ("failed", "moderation_blocked", "1")
    assert video["error"]["message"]
    assert video["completed_at"]


def test_videos_are_listed_in_pages_newest_first(newcomer):
    made = [newcomer.stream(f"mill {number}").job for number in range(3)]
    newcomer.stream("no video", model="sora-image")

    def page(**query):
        found = newcomer.http.get("/v1/videos", params=query).json()
        assert set(found) == {"object", "data", "first_id", "last_id", "has_more"}
        ids = [video["id"] for video in found["data"]]
        assert (found["first_id"], found["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
        return ids, found["has_more"]

    assert page() == (made[::-1], False)
    assert page(order="asc") == (made, False)
    assert page(limit=2) == ([made[2], made[1]], True)
    assert page(limit=2, after=made[1]) == ([made[0]], False)
    assert page(order="asc", after=made[0], limit=1) == ([made[1]], True)
    assert page(after=made[0]) == ([], False)
    assert page(limit=0)[0] == []


@pytest.mark.parametrize(
    ("query", "status", "code", "param"),
    [
        ({"limit": "x"}, 400, "invalid_value", "limit"),
        ({"limit": "-1"}, 400, "invalid_value", "limit"),
        ({"limit": "101"}, 400, "invalid_value", "limit"),
        ({"status": "done"}, 400, "invalid_value", "status"),
        ({"order": "up"}, 400, "invalid_value", "order"),
        ({"after": "video_none"}, 404, "not_found", "after"),
    ],
    ids=str,
)
def test_a_list_that_cannot_be_is_refused(server, refused, query, status, code, param):
    refused(server.http.get("/v1/videos", params=query), status, code, param)


def test_a_list_can_be_narrowed_to_a_status_and_a_model(newcomer):
    good = newcomer.stream("a mill in the wind", model="sora-video-portrait").job
    bad = newcomer.stream("a mill [refuse]", model="sora-video-portrait").job

    def listed(**query) -> set[str]:
        return {video["id"] for video in newcomer.http.get("/v1/videos", params=query).json()["data"]}

    assert listed(status="failed", model="sora-video-portrait") == {bad}
    assert listed(status="completed", model="sora-video-portrait") == {good}
    assert listed(status="queued") == set()
    assert listed(model="sora-video-portrait") == {good, bad}


def test_there_is_no_content_before_the_end_nor_of_another_kind(server, slow, refused):
    job = slow.begin()

    refused(slow.http.get(f"/v1/videos/{job}/content"), 400, "video_not_ready")
    slow.http.post(f"/v1/videos/{job}/cancel")
    done = server.stream("a mill").job
    refused(server.http.get(f"/v1/videos/{done}/content", params={"variant": "smell"}), 400, "invalid_value", "variant")


def test_an_image_job_is_there_too_but_in_no_list_of_videos(server, look):
    job = server.stream("a mill", model="sora-image").job

    assert server.job(job)["status"] == "completed"
    assert look(server.http.get(f"/v1/videos/{job}/content").content)[0] == "png_pipe"
    assert job not in [video["id"] for video in server.http.get("/v1/videos").json()["data"]]


def test_a_deleted_video_is_gone_with_its_file_its_page_and_its_words(server, refused):
    made = server.stream("a doomed mill, drawn once")
    _, files = server.traces()

    deleted = server.http.request("DELETE", f"/v1/videos/{made.job}", headers={"Content-Type": "application/json"})

    assert deleted.json() == {"id": made.job, "object": "video.deleted", "deleted": True}
    assert server.traces()[1] < files
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content"), ("GET", "/events"), ("POST", "/cancel")):
        refused(server.http.request(method, f"/v1/videos/{made.job}{path}"), 404, "not_found")
    refused(server.http.get(made.outcome["assets"][0]["url"]), 404, "not_found")
    assert server.http.get(made.outcome["share_url"]).status_code == 404
    assert server.rows(f"select 1 from events where job_id = '{made.job}'") == []
    assert server.rows("select 1 from jobs where prompt like '%drawn once%'") == []


def test_a_deleted_video_that_was_running_ends_at_once(slow, refused):
    job = slow.begin()

    assert slow.http.delete(f"/v1/videos/{job}").json()["deleted"]
    refused(slow.http.get(f"/v1/videos/{job}"), 404, "not_found")


def test_another_keys_job_is_nowhere_to_be_found(server, newcomer, refused):
    job = server.stream("a secret mill").job

    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content"), ("GET", "/events"), ("POST", "/cancel")):
        refused(newcomer.http.request(method, f"/v1/videos/{job}{path}"), 404, "not_found")
    refused(newcomer.http.get("/v1/videos", params={"after": job}), 404, "not_found", "after")
    assert job not in [video["id"] for video in newcomer.http.get("/v1/videos").json()["data"]]
    assert server.job(job)["status"] == "completed"
