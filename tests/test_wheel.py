"""The wheel, built through the sdist and installed alone: nothing that runs is missing from it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest
from running import Running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
FOLDERS = {"sora2api": "sora2api", "plugins": "sora2api/plugins", "web": "sora2api/web"}
FOLDERS["migrations"] = "sora2api/migrations"
IN_WHEEL = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg")


def _run(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(list(map(str, command)), cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built of a copy, in which nothing lies that an earlier build has left."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in IN_WHEEL:
        shutil.copy(ROOT / name, source)
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source, cwd=folder)
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """An environment with the wheel and nothing else; the dependencies are seen from where the tests run."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--no-index", "--no-deps", "--ignore-installed", wheel, cwd=folder)
    return folder


@pytest.fixture
def foreign(tmp_path, monkeypatch) -> Path:
    """A working directory that is not the checkout, and nothing that leads back to it."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_file_of_the_source_is_in_the_wheel_under_its_import_name(wheel):
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    expected = {
        f"{target}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, target in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert shipped == expected


def test_the_wheel_carries_its_licences(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    for licence in ("LICENSE", "OFL.txt"):
        assert any(".dist-info/licenses/" in name and name.endswith(licence) for name in names)


def test_the_installed_package_is_the_wheels_own(installed, foreign):
    where = _run(installed / "bin" / "python", "-c", "import sora2api, sys; print(sora2api.__file__)", cwd=foreign)

    assert Path(where.strip()).is_relative_to(installed)


def test_every_bundled_plugin_is_found(installed, foreign):
    listed = json.loads(
        _run(installed / "bin" / "sora2api", "plugin", "list", "--json", "--data-dir", "state", cwd=foreign)
    )

    ready = {plugin["name"] for plugin in listed if plugin["status"] == "ready"}
    assert {"character", "image", "remix", "storyboard", "video", "openai", "panel"} <= ready


def test_the_installed_server_answers_with_an_image_a_page_and_its_style(installed, foreign):
    program = (str(installed / "bin" / "sora2api"),)
    with Running("serve", foreign / "state", program=program, cwd=foreign) as server:
        body = {"model": "sora-image", "messages": [{"role": "user", "content": "a lantern"}]}
        request = urllib.request.Request(
            f"{server.url}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={"Authorization": "Bearer han1234", "Content-Type": "application/json"},
        )
        reply = json.load(urllib.request.urlopen(request))
        picture = urllib.request.urlopen(reply["sora2api"]["assets"][0]["url"]).read()
        page = urllib.request.urlopen(f"{server.url}/admin/").read().decode()
        style = urllib.request.urlopen(f"{server.url}/admin/static/panel.css").read()

        assert server.stop() == 0
    assert picture.startswith(b"\x89PNG")
    assert "<form" in page
    assert style == (ROOT / "web" / "static" / "panel.css").read_bytes()
    assert os.listdir(foreign) == ["state"]  # noqa: PTH208 - names
