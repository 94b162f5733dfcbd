"""The studio: what it understands, what it makes and for whom, and the code that it writes."""

import os
import shutil
import subprocess
import sys
import time
from io import BytesIO

import httpx2
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

PATIENCE = 60.0
MARKUP = '<img src=x onerror="alert(1)">'
SMALL = {"model": "sora-video", "size": "160x96", "seconds": 1}


def over(served, made):
    """The job once it is over, as the studio tells it."""
    assert made.status_code == 200, made.text
    end = time.monotonic() + PATIENCE
    job = made.json()
    while job["status"] in ("queued", "in_progress"):
        assert time.monotonic() < end, job
        time.sleep(0.1)
        job = served.api("viewer").get(f"/studio/jobs/{job['id']}").json()
    return job


def make(served, **wish):
    return served.api("operator").post("/studio/jobs", json=SMALL | wish)


def understood(served, **sketch):
    answer = served.api("viewer").post("/studio/understand", json=SMALL | sketch)
    assert answer.status_code == 200, answer.text
    return answer.json()


def picture():
    file = BytesIO()
    Image.new("RGB", (160, 96), "teal").save(file, "PNG")
    return file.getvalue()


def send(served, content, role="operator", **query):
    return served.api(role).post("/studio/files", params=query, content=content)


@pytest.fixture(scope="module")
def video(served):
    job = over(served, make(served, prompt=f"a kite {MARKUP}"))
    assert job["status"] == "completed", job
    return job


def test_what_is_made_can_be_watched_and_belongs_to_the_key(served, video):
    file = video["files"][0]
    watched = httpx2.get(served.url + file["path"], trust_env=False)
    own = httpx2.get(
        f"{served.url}/v1/videos/{video['id']}", headers={"Authorization": "Bearer han1234"}, trust_env=False
    )

    assert (file["kind"], file["width"], watched.content[4:8]) == ("video", 160, b"ftyp")
    assert own.json()["prompt"] == f"a kite {MARKUP}"
    assert httpx2.get(video["share"], trust_env=False).status_code == 200


def test_a_viewer_looks_but_makes_nothing(served, video):
    viewer = served.api("viewer")

    assert viewer.post("/studio/jobs", json=SMALL | {"prompt": "a kite"}).status_code == 403
    assert send(served, picture(), role="viewer").status_code == 403
    assert video["id"] in [job["id"] for job in viewer.get("/studio/jobs").json()["jobs"]]


def test_a_key_is_held_to_its_limits(served):
    made = served.api().post("/keys", json={"name": "no videos", "modes": ["image"]}).json()

    refused = make(served, prompt="a kite", key=made["key"]["id"])
    unknown = make(served, prompt="a kite", key="key_of_nobody")

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "mode_not_allowed")
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "key")


@pytest.mark.parametrize(
    ("sketch", "expected"),
    [
        ({"prompt": "a kite {anime}"}, {"mode": "video", "style": "anime style", "seconds": 1}),
        ({"prompt": "[2s] a cat\n[3.5s] it yawns"}, {"mode": "storyboard", "seconds": 5.5}),
        ({"prompt": "it waves", "videos": ["cat.mp4"]}, {"mode": "character"}),
        (
            {"prompt": "a kite", "model": "gpt-image-2", "size": None, "seconds": None},
            {"mode": "image", "seconds": None},
        ),
    ],
)
def test_words_and_files_are_understood_as_they_would_be_made(served, sketch, expected):
    told = understood(served, **sketch)

    assert {name: told[name] for name in expected} == expected


def test_shots_and_names_are_told_one_by_one(served):
    told = understood(served, prompt="[2s] @nobody.here wakes\n[3s] it yawns")

    assert [(shot["seconds"], shot["prompt"]) for shot in told["shots"]] == [(2, "@nobody.here wakes"), (3, "it yawns")]
    assert told["characters"] == [{"name": "nobody.here", "known": False}]


def test_what_is_wrong_so_far_is_told_and_nothing_is_made(served, video):
    before = served.api().get("/studio/jobs").json()["jobs"][0]["id"]

    told = understood(served, prompt="[2s] a cat\n[3s] ")

    assert told["mode"] is None
    assert "Shot 2" in told["trouble"]["message"]
    assert served.api().get("/studio/jobs").json()["jobs"][0]["id"] == before


def test_a_picture_that_was_sent_is_where_a_video_begins(served):
    sent = send(served, picture(), name="teal.png").json()
    job = over(served, make(served, prompt="it ripples", files=[sent["id"]]))
    again = make(served, prompt="it ripples", files=[sent["id"]])

    assert (sent["kind"], sent["width"], sent["name"]) == ("image", 160, "teal.png")
    assert job["status"] == "completed", job
    assert (again.status_code, again.json()["error"]["param"]) == (400, "files")


def test_what_is_no_picture_and_no_video_is_refused(served):
    assert send(served, b"only words").status_code == 400
    assert send(served, b"").status_code == 400


def test_a_remix_is_of_the_size_and_length_of_what_it_changes(served, video):
    job = over(served, make(served, prompt="at night", source=video["id"], size=None, seconds=None))

    assert (job["mode"], job["size"], job["seconds"]) == ("remix", video["size"], video["seconds"])


def test_the_page_shows_words_as_text(served, video):
    shown = served.page.get(f"/studio?job={video['id']}&remix={video['id']}&prompt={MARKUP}")

    assert shown.status_code == 200
    assert "<img src=x" not in shown.text
    assert "a kite &lt;img" in shown.text
    assert "<video controls" in shown.text
    assert f'name="source" value="{video["id"]}"' in shown.text


def test_a_form_without_a_script_makes_a_video(served):
    said = served.page.do("studio.make", prompt="a plain kite", model="sora-video", size="160x96", seconds="1", n="1")

    assert "It is being made." in said.text
    newest = served.api().get("/studio/jobs", params={"limit": 1}).json()
    assert newest["jobs"][0]["prompt"] == "a plain kite"
    assert newest["next"] == newest["jobs"][0]["id"]


# Code.

PROMPT = 'a kite\'s "tail" costs $5 \\ `wind`\nand 雨'


def written(served, language, **sketch):
    told = served.api("viewer").post("/studio/code", json=SMALL | {"prompt": PROMPT} | sketch).json()
    return next(snippet["text"] for snippet in told["snippets"] if snippet["language"] == language)


def run(command, folder):
    (folder / "teal.png").write_bytes(picture())
    environment = os.environ | {"SORA2API_KEY": "han1234", "no_proxy": "127.0.0.1"}
    subprocess.run(command, check=True, cwd=folder, env=environment, timeout=PATIENCE)


SKETCHES = {
    "video": {},
    "begun": {"images": ["teal.png"]},
    "chat": {"images": ["teal.png", "teal.png"]},
    "image": {"model": "gpt-image-2", "size": "256x256", "seconds": None},
    "edit": {"model": "gpt-image-2", "size": "256x256", "seconds": None, "images": ["teal.png"]},
}


@pytest.mark.parametrize("sketch", SKETCHES.values(), ids=SKETCHES)
@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_code_makes_what_the_studio_would(served, tmp_path, language, sketch):
    text = written(served, language, **sketch)

    run(["bash", "-c", f"set -e\n{text}"] if language == "curl" else [sys.executable, "-c", text], tmp_path)

    newest = served.api().get("/studio/jobs", params={"limit": 1}).json()["jobs"][0]
    job = served.api().get(f"/studio/jobs/{newest['id']}").json()
    asked = SMALL | sketch
    assert (job["prompt"], job["model"], job["size"]) == (PROMPT, asked["model"], asked["size"])
    assert job["status"] == "completed"


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_code_of_a_remix_changes_that_video(served, tmp_path, video, language):
    text = written(served, language, source=video["id"])

    run(["bash", "-c", text] if language == "curl" else [sys.executable, "-c", text], tmp_path)

    newest = served.api().get("/studio/jobs", params={"limit": 1}).json()["jobs"][0]
    assert served.api().get(f"/studio/jobs/{newest['id']}").json()["mode"] == "remix"


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@pytest.mark.parametrize("sketch", SKETCHES.values(), ids=SKETCHES)
def test_the_code_for_node_is_without_faults_of_form(served, tmp_path, sketch):
    (tmp_path / "made.mjs").write_text(written(served, "Node", **sketch))

    run(["node", "--check", "made.mjs"], tmp_path)
