"""The command: what it prints, what it takes, how it ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

SANDBOX = [sys.executable, "-m", "sora2api", "sandbox", "--port", "0"]


def started(tmp_path, *options, **environment):
    return subprocess.Popen(
        [*SANDBOX, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SORA2API_DATA_DIR": str(tmp_path), **environment},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_on_a_signal(tmp_path, number):
    with started(tmp_path, "--key", "sk-mine") as process:
        line = process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)

    assert line.startswith("The sandbox listens on http://127.0.0.1:")
    assert line.endswith(" (key sk-mine)\n")
    assert (process.returncode, out, err) == (0, "", "")
    assert (tmp_path / "sandbox" / "sandbox.db").is_file()


def test_as_a_child_it_ends_with_its_standard_input_alone(tmp_path):
    with started(tmp_path, "--json", "--until-stdin-closes") as process:
        assert '{"url":"http://127.0.0.1:' in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.communicate(timeout=20)

    assert process.returncode == 0


def test_it_names_a_capability_that_it_does_not_know(tmp_path):
    with started(tmp_path, "--without", "remix,flying") as process:
        _, err = process.communicate(timeout=20)

    assert process.returncode == 2
    assert "flying" in err
