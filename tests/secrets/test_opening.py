"""What a start says of a secret key that is wrong, missing, damaged or open to others."""

import base64
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from sora2api.store import key_file
from sora2api.store.key_file import UnusableKeyFile
from sora2api.store.migrate import migrate
from sora2api.store.secrets import Secrets, WrongSecretKey


@pytest.fixture
def folder(tmp_path):
    """A data directory in which a key is in use."""
    migrate(tmp_path)
    Secrets.open(tmp_path)
    return tmp_path


def test_another_key_file_is_refused_with_what_to_do(folder):
    (folder / key_file.FILE).write_bytes(base64.b64encode(bytes(32)))

    with pytest.raises(WrongSecretKey, match="put the right one back from a backup"):
        Secrets.open(folder)


def test_a_lost_key_file_is_not_made_anew(folder):
    (folder / key_file.FILE).unlink()

    with pytest.raises(WrongSecretKey, match=f"{key_file.FILE} is missing"):
        Secrets.open(folder)
    assert not (folder / key_file.FILE).exists()


def test_a_key_of_the_environment_beside_data_of_the_file_is_refused_with_both_ways_on(folder, monkeypatch):
    monkeypatch.setenv("SORA2API_SECRET_KEY", "another")

    with pytest.raises(WrongSecretKey, match=r"unset SORA2API_SECRET_KEY .* or run `sora2api secrets rotate`"):
        Secrets.open(folder)


def test_a_key_may_be_handed_on_as_a_file(tmp_path, monkeypatch):
    (handed := tmp_path / "handed").write_text("a long random text\n")
    data = tmp_path / "data"
    data.mkdir()
    migrate(data)
    monkeypatch.setenv("SORA2API_SECRET_KEY_FILE", str(handed))
    sealed = Secrets.open(data).derived("links")
    assert not (data / key_file.FILE).exists()

    monkeypatch.delenv("SORA2API_SECRET_KEY_FILE")
    monkeypatch.setenv("SORA2API_SECRET_KEY", "a long random text")

    assert Secrets.open(data).derived("links") == sealed


def test_a_key_that_cannot_be_read_where_it_should_be_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SORA2API_SECRET_KEY_FILE", str(tmp_path / "nothing"))

    with pytest.raises(UnusableKeyFile, match=r"SORA2API_SECRET_KEY_FILE .*nothing"):
        Secrets.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"!!!", base64.b64encode(b"short")])
def test_a_damaged_key_file_is_named(folder, content):
    (folder / key_file.FILE).write_bytes(content)

    with pytest.raises(UnusableKeyFile, match="damaged"):
        Secrets.open(folder)


def test_the_server_says_it_in_one_line(folder):
    (folder / key_file.FILE).write_bytes(base64.b64encode(bytes(32)))

    done = subprocess.run(
        [sys.executable, "-m", "sora2api", "serve", "--data-dir", str(folder), "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {folder / key_file.FILE} is not the key that the data was sealed with")
    assert done.stderr.count("\n") == 1


def test_a_key_file_that_others_may_read_is_closed_to_them_with_a_warning(folder, caplog):
    (folder / key_file.FILE).chmod(0o644)

    Secrets.open(folder)

    assert stat.S_IMODE((folder / key_file.FILE).stat().st_mode) == 0o600
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_many_first_starts_at_once_agree_on_one_key(tmp_path):
    migrate(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(Secrets.open, [tmp_path] * 8))

    sealed = vaults[0].seal("sk-token")
    assert {vault.unseal(sealed) for vault in vaults} == {"sk-token"}
    assert len({vault.derived("links") for vault in vaults}) == 1
