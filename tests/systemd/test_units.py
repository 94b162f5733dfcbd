"""The units are what systemd takes, shut the service in, and fit the installation that writes them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import started, told

from sora2api.cli import main

DEPLOY = Path(__file__).parents[2] / "deploy"
CONSOLE = str(Path(sys.executable).with_name("sora2api"))
DEFAULT = "/usr/local/lib/sora2api/bin/sora2api"


@pytest.fixture
def analyze(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed.")

    def run(*command):
        environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
        command = ("systemd-analyze", *command)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def installed(*options, **environment):
    """What the console script of this installation does."""
    done = subprocess.run(
        [CONSOLE, "install-service", *options],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def lines(unit):
    return {line for line in unit.splitlines() if "=" in line and not line.startswith("#")}


def test_the_units_of_deploy_are_those_for_the_usual_places():
    service, socket = ((DEPLOY / f"sora2api.{kind}").read_text(encoding="utf-8") for kind in ("service", "socket"))

    printed = installed("--print", "--socket").stdout.replace(CONSOLE, DEFAULT)

    assert printed == f"{service}\n{socket}"


@pytest.mark.parametrize(
    ("manager", "options"),
    [
        ("--system", ()),
        ("--user", ("--user", "--data-dir", "/srv/a folder, 50%")),
        ("--user", ("--user", "--data-dir", "/srv/o'brien")),
    ],
)
def test_systemd_finds_nothing_wrong_with_the_units(analyze, tmp_path, manager, options):
    units = told("install-service", "--print", "--socket", *options)
    for name, text in units.items():
        (tmp_path / name).write_text(text)

    done = analyze("verify", manager, *(str(tmp_path / name) for name in units))

    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_nothing_wrong_with_a_service_for_a_data_directory_of_ones_own(analyze, place_of, tmp_path):
    (unit := tmp_path / "sora2api.service").write_text(
        installed("--print", "--data-dir", str(place_of(owner=1))).stdout
    )

    for done in (analyze("verify", str(unit)), analyze("security", "--offline=yes", "--threshold=20", str(unit))):
        assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_the_service_is_shut_in(analyze):
    done = analyze("security", "--offline=yes", "--threshold=20", str(DEPLOY / "sora2api.service"))

    assert done.returncode == 0, done.stdout


def test_a_service_of_ones_own_is_written_once_and_what_was_changed_is_kept(tmp_path):
    place = {"XDG_CONFIG_HOME": str(tmp_path)}
    unit = tmp_path / "systemd/user/sora2api.service"
    options = ("--user", "--data-dir", str(tmp_path / 'a "b" $HOME 50%'))

    first = installed(*options, **place)
    assert first.returncode == 0, first.stderr
    assert "systemctl --user enable --now sora2api.service" in first.stdout
    assert not (unit.parent / "sora2api.socket").exists()
    said = r"a \"b\" $$HOME 50%%"
    assert f'ExecStart={CONSOLE} serve --data-dir "{tmp_path}/{said}"' in lines(unit.read_text())
    assert not {line for line in lines(unit.read_text()) if line.startswith(("DynamicUser", "Protect", "StateDir"))}

    assert installed(*options, **place).returncode == 0
    unit.write_text(changed := unit.read_text() + "Nice=5\n")
    refused = installed(*options, "--socket", **place)
    assert (refused.returncode, unit.read_text()) == (1, changed)
    assert str(unit) in refused.stderr
    assert "--force" in refused.stderr
    assert not (unit.parent / "sora2api.socket").exists()

    forced = installed(*options, "--socket", "--force", **place)
    assert "enable --now sora2api.socket sora2api.service" in forced.stdout
    assert "Nice" not in unit.read_text()


def test_a_service_for_a_data_directory_of_ones_own_runs_as_its_owner(place_of):
    folder = place_of(owner=1)

    unit = lines(installed("--print", "--data-dir", str(folder)).stdout)

    assert {"User=daemon", f"ReadWritePaths={folder}", "ProtectSystem=strict"} <= unit
    assert not {line for line in unit if line.startswith(("DynamicUser", "StateDirectory"))}


def test_a_service_that_could_not_run_is_refused_with_what_to_do(place_of):
    for folder, advice in (
        (place_of(owner=0), "chown"),
        (place_of(owner=0) / "nothing", "install -d"),
    ):
        refused = installed("--print", "--data-dir", str(folder))

        assert refused.returncode == 1
        assert advice in refused.stderr


@pytest.fixture
def place_of():
    """Make a folder where services find theirs."""
    if os.geteuid() != 0:
        pytest.skip("It takes root.")
    made = []

    def make(*, owner):
        folder = Path("/srv") / f"sora2api-test-{os.getpid()}-{owner}-{len(made)}"
        folder.mkdir()
        made.append(folder)
        os.chown(folder, owner, owner)
        return folder

    yield make
    for folder in made:
        folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="It takes root and setpriv.")
def test_root_works_on_the_state_of_a_service_that_lies_where_only_root_gets(tmp_path):
    private = tmp_path / "private"
    (data := private / "sora2api").mkdir(parents=True)
    os.chown(data, 64123, 64123)
    private.chmod(0o700)

    told("key", "create", "--name", "laptop", "--data-dir", str(data))
    process = started("key", "list", "--data-dir", str(data))

    assert "laptop" in process.communicate(timeout=90)[0]
    assert {file.stat().st_uid for file in data.iterdir()} == {64123}


def test_who_is_not_root_is_told_how_to_go_on(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    refused = CliRunner().invoke(main, ["install-service"])

    assert refused.exit_code == 1
    assert "sudo" in refused.stderr
    assert "--user" in refused.stderr
