"""`sora2api generate` and `job watch`: what is asked for is made once and fetched whole, whatever comes between."""

import json
import os
import pty
import shlex
import signal
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import av
import httpx2
import pytest
from commands import ran, started, told, until
from rig import Rig
from running import Running

pytestmark = pytest.mark.slow

SMALL = ("--size", "160x96", "--seconds", "1", "--model", "sora-video")
NAME = "a-heron-over-the-lake.mp4"
PROMPT = "A heron, over the lake"


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("generate"))
    rig.start_sandbox("--delay", "1.5")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.3")
    yield rig
    rig.close()


@pytest.fixture
def asked(rig) -> dict[str, str]:
    """The environment of somebody who asks the rig's server."""
    return {"OPENAI_BASE_URL": f"{rig.server.url}/v1", "OPENAI_API_KEY": rig.key}


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Iterator[Running]:
    """A server of the OpenAI shape with nothing of our own: no events, no Idempotency-Key, no links."""
    with Running("sandbox", tmp_path_factory.mktemp("plain"), "--delay", "0") as sandbox:
        yield sandbox


def asking(sandbox: Running) -> dict[str, str]:
    return {"SORA2API_SERVER": sandbox.url, "SORA2API_KEY": "sk-sandbox"}


def misbehave(sandbox: Running, **fault) -> None:
    httpx2.post(f"{sandbox.url}/_sandbox/faults", json=[fault], timeout=30).raise_for_status()


def creates(sandbox: Running) -> int:
    return httpx2.get(f"{sandbox.url}/_sandbox/stats", timeout=30).json()["creates"]


def seconds(data: bytes) -> float:
    with av.open(BytesIO(data)) as container:
        stream = container.streams.video[0]
        return sum(1 for _ in container.decode(stream)) / float(stream.average_rate)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_video_comes_into_a_file_named_by_its_prompt(asked, tmp_path):
    done = ran("generate", PROMPT, *SMALL, cwd=tmp_path, **asked)

    assert (done.stdout, done.stderr) == (f"{NAME}\n", "")
    assert left(tmp_path) == [NAME]
    assert seconds((tmp_path / NAME).read_bytes()) == pytest.approx(1, abs=0.1)


def test_a_file_that_is_there_is_not_written_over(plain, tmp_path):
    (tmp_path / NAME).write_text("mine")

    said = ran("generate", PROMPT, "--size", "1280x720", "--seconds", "4", cwd=tmp_path, **asking(plain)).stdout

    assert said == f"{NAME.removesuffix('.mp4')}-2.mp4\n"
    assert (tmp_path / NAME).read_text() == "mine"


def test_several_images_come_into_files_of_their_own(asked, tmp_path):
    told_ = told("generate", PROMPT, "--model", "sora-image", "-n", "2", "-o", "heron.png", cwd=tmp_path, **asked)

    assert [each["file"] for each in told_["made"]] == ["heron-1.png", "heron-2.png"]
    assert left(tmp_path) == ["heron-1.png", "heron-2.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in left(tmp_path))
    assert told_["error"] is None


def test_several_videos_are_a_job_each(asked, tmp_path):
    made = told("generate", PROMPT, *SMALL, "-n", "2", cwd=tmp_path, **asked)["made"]

    assert len({each["job"] for each in made}) == 2
    assert {each["file"]: each["size"] for each in made} == {
        path.name: path.stat().st_size for path in tmp_path.iterdir()
    }


def test_a_picture_is_begun_with_and_a_storyboard_is_as_long_as_its_shots(asked, tmp_path):
    ran("generate", "a heron", "--model", "sora-image", "-o", "heron.png", cwd=tmp_path, **asked)
    (tmp_path / "shots.txt").write_text("1: it wades\n\n1.5s: it flies\n")

    ran("generate", "It flies", "--image", "heron.png", *SMALL, "-o", "begun.mp4", cwd=tmp_path, **asked)
    ran(
        "generate",
        "--shots",
        "shots.txt",
        "--model",
        "sora-video",
        "--size",
        "160x96",
        "-o",
        "board.mp4",
        cwd=tmp_path,
        **asked,
    )

    assert seconds((tmp_path / "begun.mp4").read_bytes()) == pytest.approx(1, abs=0.1)
    assert seconds((tmp_path / "board.mp4").read_bytes()) == pytest.approx(2.5, abs=0.2)


def test_a_video_is_made_anew_by_its_id(asked, tmp_path):
    job = ran("generate", PROMPT, *SMALL, "--no-wait", cwd=tmp_path, **asked).stdout.strip()
    assert left(tmp_path) == []

    ran("job", "watch", job, "--server", asked["OPENAI_BASE_URL"], cwd=tmp_path, **asked)
    remade = told("generate", "by night", "--remix", job, "-o", "night.mp4", cwd=tmp_path, **asked)["made"][0]["job"]

    headers = {"Authorization": f"Bearer {asked['OPENAI_API_KEY']}"}
    video = httpx2.get(f"{asked['OPENAI_BASE_URL']}/videos/{remade}", headers=headers).json()
    assert video["remixed_from_video_id"] == job


def test_a_server_without_events_is_asked_again_and_again(plain, tmp_path):
    ran("generate", PROMPT, "-o", "-", "--size", "1280x720", cwd=tmp_path, status=2, OPENAI_BASE_URL="nonsense")
    made = told(
        "generate", PROMPT, "--size", "1280x720", "--seconds", "4", "-o", "plain.mp4", cwd=tmp_path, **asking(plain)
    )

    assert [each["file"] for each in made["made"]] == ["plain.mp4"]
    assert seconds((tmp_path / "plain.mp4").read_bytes()) == pytest.approx(4, abs=0.2)


def test_a_download_that_breaks_goes_on_where_it_broke(plain, tmp_path):
    misbehave(plain, method="GET", path="/v1/videos/*/content", close=5000)

    ran("generate", PROMPT, "--seconds", "4", "-o", "broken.mp4", cwd=tmp_path, **asking(plain))

    assert left(tmp_path) == ["broken.mp4"]
    assert seconds((tmp_path / "broken.mp4").read_bytes()) == pytest.approx(4, abs=0.2)


def test_the_file_can_go_to_standard_output(asked, tmp_path):
    process = started("generate", PROMPT, *SMALL, "-o", "-", cwd=tmp_path, **asked)
    data = process.stdout.buffer.read()
    process.communicate()

    assert process.returncode == 0
    assert left(tmp_path) == []
    assert seconds(data) == pytest.approx(1, abs=0.1)


def test_a_command_that_was_killed_goes_on_with_the_same_job_when_it_is_run_again(asked, tmp_path):
    command = ("generate", PROMPT, *SMALL)
    killed = started(*command, cwd=tmp_path, **asked)
    note = tmp_path / f"{NAME}.job"
    job = until(lambda: note.exists() and json.loads(note.read_text())["job"])
    killed.kill()
    killed.communicate()

    made = told(*command, cwd=tmp_path, **asked)["made"]

    assert [(each["job"], each["file"]) for each in made] == [(job, NAME)]
    assert left(tmp_path) == [NAME]


def test_a_reply_that_was_lost_is_not_paid_for_twice(rig, asked, tmp_path):
    """The note has the Idempotency-Key before the request goes out."""
    command = ("generate", PROMPT, *SMALL)
    first = told(*command, "--no-wait", cwd=tmp_path, **asked)["made"][0]["job"]
    killed = started(*command, cwd=tmp_path, **asked)
    note = tmp_path / f"{NAME}.job"
    job = until(lambda: note.exists() and json.loads(note.read_text())["job"])
    killed.kill()
    killed.communicate()
    note.write_text(json.dumps(json.loads(note.read_text()) | {"job": None}))  # as if it had not been heard

    made = told(*command, cwd=tmp_path, **asked)["made"]

    assert made[0]["job"] == job != first


def test_a_server_that_takes_no_such_key_is_not_asked_twice(plain, tmp_path):
    misbehave(plain, method="POST", path="/v1/videos", close="after")
    before = creates(plain)
    command = ("generate", PROMPT, "--seconds", "4", "-o", "lost.mp4")

    lost = ran(*command, cwd=tmp_path, status=1, **asking(plain))
    again = ran(*command, cwd=tmp_path, status=1, **asking(plain))

    assert "(submit_unknown)" in lost.stderr
    assert "remove lost.mp4.job" in again.stderr
    assert creates(plain) == before + 1


def test_a_server_that_restarts_is_waited_for(rig, asked, tmp_path):
    process = started("generate", PROMPT, *SMALL, "--json", cwd=tmp_path, **asked)
    until(lambda: (tmp_path / f"{NAME}.job").exists() and "video_" in (tmp_path / f"{NAME}.job").read_text())
    rig.server.kill()
    rig.start_server("--poll-interval", "0.3", "--port", rig.server.url.rpartition(":")[2])
    out, err = process.communicate()

    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["made"][0]["file"] == NAME
    assert seconds((tmp_path / NAME).read_bytes()) == pytest.approx(1, abs=0.1)


def test_a_job_that_fails_is_told_in_its_own_words_and_leaves_nothing(rig, asked, tmp_path):
    rig.misbehave(method="POST", path="/v1/videos", status=400, body={"error": {"message": "No herons here."}})

    done = ran("generate", PROMPT, *SMALL, cwd=tmp_path, status=1, **asked)

    assert done.stderr.startswith("error: No herons here. (")
    assert done.stderr.count("\n") == 1
    assert left(tmp_path) == []


def test_ctrl_c_says_how_to_go_on_and_that_works(asked, tmp_path):
    process = started("generate", PROMPT, *SMALL, cwd=tmp_path, **asked)
    until(lambda: (tmp_path / f"{NAME}.job").exists() and "video_" in (tmp_path / f"{NAME}.job").read_text())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    program, *command = shlex.split(err.splitlines()[-1])

    assert (process.returncode, program) == (130, "sora2api")
    assert ran(*command, cwd=tmp_path, **asked).stdout == f"{NAME}\n"
    assert left(tmp_path) == [NAME]


def test_ctrl_c_cancels_where_that_is_wanted(asked, tmp_path):
    process = started("generate", PROMPT, *SMALL, "--cancel-on-interrupt", "--json", cwd=tmp_path, **asked)
    until(lambda: (tmp_path / f"{NAME}.job").exists() and "video_" in (tmp_path / f"{NAME}.job").read_text())
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    job = json.loads(out)["made"][0]["job"]

    assert process.returncode == 130
    assert (
        "(cancelled)"
        in ran("job", "watch", job, "--server", asked["OPENAI_BASE_URL"], cwd=tmp_path, status=1, **asked).stderr
    )
    assert left(tmp_path) == []


def test_the_key_is_shown_where_netrc_has_a_password_for_the_server_too(asked, tmp_path):
    (tmp_path / "netrc").write_text("default login heron password lake\n")

    ran("generate", PROMPT, "--model", "sora-image", "-o", "heron.png", cwd=tmp_path, NETRC="netrc", **asked)

    assert left(tmp_path) == ["heron.png", "netrc"]


def test_a_bar_is_shown_on_a_terminal(asked, tmp_path):
    command = [sys.executable, "-m", "sora2api", "generate", PROMPT, *SMALL]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(sys.executable, command, os.environ | asked | {"TERM": "xterm", "COLUMNS": "120"})
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            break
    os.close(terminal)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert "━".encode() in shown
    assert b"100%" in shown


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--model", "nothing"), 1, "(model_not_found)"),
        (("--key", "wrong"), 1, "(invalid_api_key)"),
        (("--server", "http://127.0.0.1:1"), 3, "(server_unreachable)"),
        (("--remix", "video_nothing"), 1, "(not_found)"),
        (("--image", __file__), 1, "(invalid_image)"),
        (("-o", "no/such/folder/x.mp4", "--model", "sora-video"), 0, ""),
        (("--shot", "nonsense"), 2, "as in '5: a balloon rises'"),
        (("-n", "2", "-o", "-"), 2, "Standard output takes one file"),
        (("-o", "-", "--json"), 2, "Standard output takes the file or JSON"),
        (("-o", ".."), 2, "is a directory"),
        (("--server", "ftp://here"), 2, "is no address of a server"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_a_status(asked, tmp_path, options, status, said):
    done = ran("generate", PROMPT, *SMALL[:4], *options, cwd=tmp_path, status=status, **asked)

    assert said in done.stderr
    assert status == 0 or left(tmp_path) == []
