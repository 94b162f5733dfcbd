"""The settings: where each value comes from, what is refused, and that help and docs show the same table."""

import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from sora2api import settings
from sora2api.cli.serve import command as serve
from sora2api.errors import InvalidValue
from sora2api.settings import FILE, Settings, data_folder, load, table

DOCS = Path(__file__).parent.parent / "docs"


def test_the_nearest_source_wins(tmp_path):
    sources = {
        "file": lambda: (tmp_path / FILE).write_text("tries = 2\n"),
        "database": lambda: given.update(database={"tries": 3}),
        "environment": lambda: given.update(environment={"SORA2API_TRIES": "4"}),
        "command line": lambda: given.update(command_line={"tries": "5"}),
    }
    given = {"environment": {}}
    seen = [load(tmp_path, **given)]
    for put in sources.values():
        put()
        seen.append(load(tmp_path, **given))

    assert [loaded.settings.tries for loaded in seen] == [6, 2, 3, 4, 5]
    assert [loaded.sources["tries"] for loaded in seen] == ["default", *sources]


def test_an_option_that_was_not_given_hides_nothing(tmp_path):
    loaded = load(tmp_path, command_line={"port": None, "share": None}, environment={"SORA2API_PORT": "9000"})

    assert loaded.settings.port == 9000
    assert loaded.sources["share"] == "default"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "0", 0),
        ("sandbox_delay", "0.5", 0.5),
        ("chat_chores", "false", False),
        ("share", "public", "public"),
        ("share", "True", "link"),
        ("share", "0", "off"),
        ("sandbox", "true", True),
        ("strategy", "weighted", "weighted"),
        ("public_url", "https://video.example", "https://video.example"),
        ("trusted_proxies", "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
        ("trusted_proxies", "", ()),
        ("disabled_plugins", "remix", ("remix",)),
    ],
)
def test_text_of_the_environment_becomes_the_type_of_the_setting(tmp_path, name, text, value):
    loaded = load(tmp_path, environment={f"SORA2API_{name.upper()}": text})

    assert getattr(loaded.settings, name) == value
    assert loaded.sources[name] == "environment"


@pytest.mark.parametrize(("written", "meant"), [("true", "link"), ("false", "off"), ('"public"', "public")])
def test_sharing_may_be_a_switch_in_the_file(tmp_path, written, meant):
    (tmp_path / "sora2api.toml").write_text(f"share = {written}\n")

    assert load(tmp_path, environment={}).settings.share == meant


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "many"),
        ("port", "70000"),
        ("tries", "0"),
        ("heartbeat", "16"),
        ("share", "perhaps"),
        ("strategy", "fastest"),
        ("trusted_proxies", "10.0.0.0/8,nowhere"),
        ("fetch_allow", "10.0.0.1/8"),
    ],
)
def test_a_wrong_value_is_named_with_its_source(tmp_path, name, value):
    with pytest.raises(InvalidValue, match=rf"The setting {name} \(environment\) is wrong: ") as refused:
        load(tmp_path, environment={f"SORA2API_{name.upper()}": value})

    assert refused.value.param == name


def test_an_unknown_name_in_the_file_is_refused(tmp_path):
    (tmp_path / FILE).write_text("prot = 8000\n")

    with pytest.raises(InvalidValue, match=r"There is no setting 'prot' \(file\)\."):
        load(tmp_path, environment={})


def test_a_file_that_is_no_toml_is_named(tmp_path):
    (tmp_path / FILE).write_text("port: 8000\n")

    with pytest.raises(InvalidValue, match=re.escape(f"{tmp_path / FILE} is not valid TOML")):
        load(tmp_path, environment={})


def test_variables_of_others_are_left_alone(tmp_path):
    loaded = load(tmp_path, environment={"PORT": "1", "SORA2API_DATA_DIR": "/elsewhere", "SORA2API_SECRET_KEY": "x"})

    assert loaded.settings == Settings()


def test_every_default_is_a_value_that_would_be_taken():
    for setting in table():
        assert settings.parse(setting.name, setting.default, source="default") == setting.default


def test_the_data_directory_is_the_one_given_else_the_environments_else_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".local/share/sora2api"

    monkeypatch.setenv("SORA2API_DATA_DIR", str(tmp_path / "named"))
    assert data_folder() == tmp_path / "named"
    assert data_folder("~/given") == tmp_path / "given"


def test_serve_has_an_option_for_each_setting():
    shown = CliRunner().invoke(serve, ["--help"], terminal_width=200).output

    for setting in table():
        assert f"--{setting.name.replace('_', '-')} " in shown
        assert setting.help in " ".join(shown.split())


def test_the_page_of_settings_is_current():
    made = runpy.run_path(str(DOCS / "make_settings.py"))

    assert (DOCS / "settings.md").read_text(encoding="utf-8") == made["page"]()
