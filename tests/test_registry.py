"""Which plugins are found, and what becomes of those that do not fit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from sora2api.modes import API_VERSION
from sora2api.registry import Plugin, discover

OURS: Final = {"character", "image", "remix", "storyboard", "video"}
OUTSIDE = Path(__file__).parent / "outside"
DISCOVER = """
import json, msgspec
from sora2api.registry import discover
found = discover()
print(json.dumps({
    "modes": {name: mode.__module__ for name, mode in found.modes.items()},
    "plugins": [msgspec.to_builtins(plugin) for plugin in found.plugins],
}))
"""


def _python(*args, path: Path, **options):
    environ = os.environ | {"PYTHONPATH": str(path)}
    return subprocess.run([sys.executable, *args], env=environ, capture_output=True, text=True, check=False, **options)


def _reasons(registry) -> dict[str, str]:
    return {plugin.name: plugin.reason for plugin in registry.plugins if plugin.status == "set_aside"}


@pytest.fixture(scope="module")
def outside(outside_packages):
    """What a process discovers that has other people's packages installed."""
    run = _python("-c", DISCOVER, path=outside_packages)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout) | {"said": run.stderr}


def test_our_own_modes_and_drivers_are_ready():
    found = discover()

    assert found.modes.keys() == OURS
    assert "openai" in found.drivers
    assert all(name == mode.name for name, mode in found.modes.items())
    assert all(plugin.distribution == "sora2api" and plugin.version for plugin in found.plugins)


def test_a_third_partys_mode_is_ready_beside_ours(outside):
    ready = [plugin for plugin in outside["plugins"] if plugin["name"] == "countdown"]

    assert ready == [
        {
            "group": "sora2api.modes",
            "name": "countdown",
            "distribution": "sora2api-countdown",
            "version": "1.2",
            "status": "ready",
            "reason": None,
        }
    ]
    assert outside["modes"]["countdown"] == "sora2api_countdown"


@pytest.mark.parametrize(
    ("distribution", "name", "reason"),
    [
        ("sora2api-torn", "torn", "RuntimeError: a page is missing"),
        ("sora2api-exiting", "exiting", "SystemExit: nothing to do here"),
        ("sora2api-usurper", "video", "the name 'video' is taken by sora2api"),
        (
            "sora2api-futuristic",
            "futuristic",
            f"written for version {API_VERSION + 41} of the plugin API, and this is ",
        ),
        ("sora2api-pretender", "pretender", "is no subclass of sora2api.modes.Mode"),
    ],
)
def test_a_broken_package_is_set_aside_with_its_reason(outside, distribution, name, reason):
    (plugin,) = [plugin for plugin in outside["plugins"] if plugin["distribution"] == distribution]

    assert (plugin["name"], plugin["status"]) == (name, "set_aside")
    assert reason in plugin["reason"]
    assert f"{name} of {distribution}" in outside["said"]


def test_our_own_keep_their_names_among_broken_ones(outside):
    ours = {name: module for name, module in outside["modes"].items() if name != "countdown"}

    assert ours == {name: f"sora2api.plugins.{name}" for name in OURS}


def test_a_third_party_can_test_its_mode_with_our_contract(outside_packages, tmp_path):
    project = shutil.copytree(OUTSIDE / "countdown", tmp_path / "countdown")

    run = _python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", path=outside_packages, cwd=project)

    assert run.returncode == 0, run.stdout
    assert "passed" in run.stdout


def test_a_checkout_that_is_not_installed_is_told_so(tmp_path):
    metadata = tmp_path / "sora2api-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sora2api\nVersion: 0.1.0\n")

    run = _python("-c", "from sora2api.registry import discover; discover()", path=tmp_path, cwd=tmp_path)

    assert "sora2api.errors.NotInstalled: sora2api is not installed here" in run.stderr


def test_a_disabled_plugin_is_not_even_imported():
    found = discover(disabled=["video"])

    assert "video" not in found.modes
    assert _reasons(found)["video"] == "disabled in the settings"


# The plugins directory.

SOUND = """
from sora2api.modes import API_VERSION, Mode, Plan
from sora2api.modes import Image as Unrelated

class _Sound(Mode):
    api_version = API_VERSION
    def accepts(self, request):
        return False
    def plan(self, request, found):
        return Plan(steps=())

class Sound(_Sound):
    name = "sound"
"""


def _add(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_file_in_the_plugins_directory_is_a_plugin(tmp_path):
    _add(tmp_path, "sound.py", SOUND)

    found = discover(folder=tmp_path)

    assert found.modes["sound"].name == "sound"
    assert found.plugins[-1] == Plugin(
        group="sora2api.modes", name="sound", distribution=str(tmp_path / "sound.py"), version="", status="ready"
    )


def test_a_package_in_the_plugins_directory_is_one_too(tmp_path):
    _add(tmp_path, "choir/__init__.py", "from .sound import Sound\n")
    _add(tmp_path, "choir/sound.py", SOUND)

    assert discover(folder=tmp_path).modes["sound"].__name__ == "Sound"


def test_a_plugin_of_the_directory_hides_no_other_module(tmp_path):
    _add(tmp_path, "json.py", SOUND)
    _add(tmp_path, "_hidden.py", "raise RuntimeError")
    _add(tmp_path, "notes.txt", "no plugin")

    discover(folder=tmp_path)

    assert sys.modules["json"] is json


def test_no_plugins_directory_is_no_fault(tmp_path):
    assert _reasons(discover(folder=tmp_path / "missing")) == _reasons(discover())


def test_names_in_the_directory_give_way_to_installed_ones(tmp_path):
    _add(tmp_path, "mine.py", SOUND.replace('"sound"', '"video"'))
    _add(tmp_path, "one.py", SOUND)
    _add(tmp_path, "two.py", SOUND)

    found = discover(folder=tmp_path)

    assert found.modes["video"].__module__ == "sora2api.plugins.video"
    assert _reasons(found)["video"].startswith("the name 'video' is taken by sora2api")
    assert _reasons(found)["sound"] == f"the name 'sound' is taken by {tmp_path / 'one.py'}"


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("raise RuntimeError('torn')", "broken", "RuntimeError: torn"),
        ("raise SystemExit(3)", "broken", "SystemExit: 3"),
        ("def (", "broken", "SyntaxError: "),
        ("import no_such_module", "broken", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("from sora2api.modes import Mode", "broken", "it defines no mode, driver or app"),
        (SOUND.replace("def plan", "def planned"), "sound", "it does not define plan"),
        (SOUND.replace('"sound"', '"Sound!"'), "Sound!", "'Sound!' is no name"),
        (SOUND.replace('name = "sound"', "pass"), "broken", "its `name` is None"),
        (SOUND.replace("= API_VERSION", "= None"), "sound", "written for version None"),
        (SOUND + "    priority = 'high'", "sound", "its `priority` is not"),
        (SOUND + "    models = ['sora-2']", "sound", "its `models` is not"),
        (SOUND + "    parameters = dict", "sound", "its `parameters` is not"),
        (SOUND + "    settings_type = dict", "sound", "its `settings_type` is not"),
        (
            SOUND + "    import msgspec\n    class settings_type(msgspec.Struct):\n        key: str",
            "sound",
            "TypeError: Missing required argument 'key'",
        ),
        (
            "from sora2api import drivers\nclass D(drivers.Driver):\n kind = 'd'\n api_version = drivers.API_VERSION",
            "d",
            "it does not define check, fetch, poll, submit",
        ),
        (
            "from sora2api.registry import API_VERSION, App\nclass A(App):\n name = 'a'\n api_version = API_VERSION",
            "a",
            "it does not define mount",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_set_aside_with_its_reason(tmp_path, text, name, reason):
    _add(tmp_path, "broken.py", text)

    found = discover(folder=tmp_path)

    assert reason in _reasons(found)[name]
    assert "video" in found.modes
