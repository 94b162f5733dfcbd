"""`--data-dir`: where there is nothing yet, a person hears of it, since the path may be mistyped."""

import os
import pty
import subprocess
import sys


def said_on_a_terminal(*command: str) -> str:
    terminal, theirs = pty.openpty()
    subprocess.run([sys.executable, "-m", "sora2api", *command], check=True, stdout=subprocess.DEVNULL, stderr=theirs)
    os.write(theirs, b".")  # what reads an empty terminal waits
    os.close(theirs)
    said = os.read(terminal, 4096).decode()
    os.close(terminal)
    return said


def test_a_person_is_told_of_a_new_data_directory_once(tmp_path):
    command = ("account", "list", "--data-dir", str(tmp_path / "new"))

    assert said_on_a_terminal(*command) == f"A new data directory: {tmp_path / 'new'}\r\n."
    assert said_on_a_terminal(*command) == "."
