"""What is kept stays, and what is shown is text: R17 and R27."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from scenarios.asking import markdown_link

from sora2api.auth.first_start import FILE

pytestmark = pytest.mark.slow

MARKUP = "<script>alert(1)</script>"


def test_r17_a_kept_file_is_found_again_and_again_and_the_engine_is_asked_for_it_once(roomy):
    reply = roomy.chat("a kite that is kept")
    link, job = markdown_link(reply), reply.json()["sora2api"]["job"]

    found = [httpx2.get(link).content for _ in range(3)] + [roomy.rig.get(f"/v1/videos/{job}/content").content]

    assert len(set(found)) == 1
    assert roomy.stats()["by_path"][f"/v1/videos/{roomy.engine_task(job)}/content"] == 1


def test_r17_a_lifetime_that_would_lose_every_file_is_no_setting(tmp_path):
    serve = (sys.executable, "-m", "sora2api", "serve", "--port", "0", "--data-dir", str(tmp_path))

    done = subprocess.run([*serve, "--output-lifetime", "-1"], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert "output_lifetime" in done.stderr


def test_r27_a_prompt_with_markup_is_text_on_the_share_page(roomy):
    reply = roomy.chat(f'a kite "{MARKUP}')

    page = httpx2.get(reply.json()["sora2api"]["share_url"])

    assert page.status_code == 200
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


def test_r27_an_answer_with_a_prompt_in_it_is_never_taken_for_a_page(roomy):
    job = roomy.day.begin(f"{MARKUP} on a wall")
    roomy.day.completed(job)

    for path in (f"/v1/videos/{job}", "/v1/videos", f"/v1/videos/{job}/events"):
        kind = roomy.rig.get(path).headers["content-type"]
        assert kind.partition(";")[0] in ("application/json", "text/event-stream")


def test_r27_markup_that_reaches_the_panel_is_text_on_each_of_its_pages(roomy):
    named = ("account", "add", "--driver", "openai", "--base-url", roomy.rig.sandbox.url, "--name", MARKUP)
    roomy.rig.run(*named, "--token", "sk-wrong")
    roomy.day.completed(roomy.day.begin(f"{MARKUP} on a fence"))

    with _signed_in(roomy.rig) as panel:
        first = panel.get("/admin/")
        linked = sorted({path for path in re.findall(r'href="(/admin/[^"#]*)"', first.text) if "." not in path})
        pages = [panel.get(path) for path in linked]
    roomy.rig.run("account", "remove", MARKUP)

    assert "&lt;script&gt;" in first.text
    for page in (first, *pages):
        assert page.status_code == 200
        assert [tag for tag in re.findall(r"<script[^>]*>", page.text) if 'src="/admin/static/' not in tag] == []
        assert "unsafe" not in page.headers["Content-Security-Policy"]


@contextmanager
def _signed_in(rig) -> Iterator[httpx2.Client]:
    """A browser that has logged in with the password that came with the first account."""
    password = re.search(r"^Panel password: (.+)$", (rig.data / FILE).read_text(), re.MULTILINE)[1]
    with httpx2.Client(base_url=rig.server.url, headers={"Origin": rig.server.url}, timeout=30) as browser:
        entered = browser.post("/admin/login", data={"username": "admin", "password": password})
        assert entered.status_code == 303, entered.text
        yield browser
