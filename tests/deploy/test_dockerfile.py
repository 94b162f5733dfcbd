"""The Dockerfile: a linter finds nothing in it, its reader reads what is meant, and its steps give a server."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from check_dockerfile import TOOLS, UNREACHABLE, compilers
from dockerfile import Unreadable, context, expanded, read

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def can_mount() -> bool:
    tried = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def test_a_linter_finds_nothing_in_the_dockerfile():
    subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--failure-threshold", "style", ROOT / "Dockerfile"], check=True
    )


def test_the_image_runs_as_a_user_that_is_not_root_and_is_asked_for_its_health():
    *_, last = read(DOCKERFILE)
    names = [instruction.name for instruction in last.instructions]
    (user,) = [instruction.text for instruction in last.instructions if instruction.name == "USER"]

    assert int(user.partition(":")[0]) > 0
    assert {"HEALTHCHECK", "ENTRYPOINT", "CMD", "VOLUME"} <= set(names)
    assert "RUN" not in names[names.index("USER") :]


def test_the_images_label_has_the_projects_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    *_, last = read(DOCKERFILE)
    (labels,) = [instruction.pairs() for instruction in last.instructions if instruction.name == "LABEL"]

    assert labels["org.opencontainers.image.licenses"] == project["license"]
    assert labels["org.opencontainers.image.title"] == project["name"]


def test_a_build_is_given_what_the_package_is_made_of_and_nothing_else():
    given = {path.as_posix() for path in context(ROOT)}

    assert {"pyproject.toml", "README.md", "LICENSE", "sora2api/cli/__init__.py", "web/static/panel.css"} <= given
    assert {path.partition("/")[0] for path in given if "/" in path} == {"migrations", "plugins", "sora2api", "web"}
    assert not any("__pycache__" in path for path in given)


def test_what_goes_on_and_what_only_comments_is_read_as_an_engine_reads_it():
    (stage,) = read("# first\nFROM python:3-slim AS it\nRUN one \\\n    # not this\n    && two\n\nUSER 1:1\n")

    assert (stage.image, stage.name) == ("python:3-slim", "it")
    assert [(step.line, step.name, step.text) for step in stage.instructions] == [
        (3, "RUN", "one && two"),
        (7, "USER", "1:1"),
    ]


@pytest.mark.parametrize("text", ["RUN true", "FROM a\nADD . .", "FROM a\nRUN one \\", "FROM $BASE"])
def test_what_is_not_known_is_an_error(text):
    with pytest.raises(Unreadable):
        read(text)


def test_a_command_that_is_no_exec_form_is_an_error():
    (stage,) = read("FROM a\nCMD sora2api serve")

    with pytest.raises(Unreadable, match="line 2"):
        stage.instructions[0].words()


def test_variables_are_those_from_before():
    assert expanded("/opt/bin:$PATH and ${HOME}$NONE", {"PATH": "/bin", "HOME": "/data"}) == "/opt/bin:/bin and /data"


def test_a_compiler_would_be_found(tmp_path):
    for name in ("usr/bin/x86_64-linux-gnu-gcc-12", "opt/clang++", "bin/ld", "bin/sha1sum", "lib/ld-linux-x86-64.so.2"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch(0o755)

    assert compilers(tmp_path) == ["bin/ld", "opt/clang++", "usr/bin/x86_64-linux-gnu-gcc-12"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.geteuid() != 0, reason="chroot and mounts want root")
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"wanted: {', '.join(TOOLS)}")
def test_the_dockerfiles_steps_give_a_server_that_makes_a_video(tmp_path):
    if not can_mount():
        pytest.skip("This machine lets nobody mount.")
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "check_dockerfile.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        check=False,
    )
    if done.returncode == UNREACHABLE:
        pytest.skip(f"The package archives cannot be reached: {done.stdout[-500:]}")

    assert done.returncode == 0, done.stdout
    assert re.search(r"made a video, and ended at SIGTERM with 0", done.stdout)
    assert list(tmp_path.iterdir()) == []
