"""Builds `sora2api.pyz`: the program and all that it needs in one file, for where nothing can be installed.

`python -m tools.zipapp [FILE]`. The file runs on the kind of system and with the version of Python that built it. At
its first start it unpacks itself into the user's cache folder (`PEX_ROOT` names another).
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def build(target: Path) -> None:
    """Build the file at *target*. Raises `CalledProcessError` where a package cannot be had."""
    # A venv is what child processes (the sandbox, the media workers) find the packages by.
    pex = (sys.executable, "-m", "pex", "--use-pip-config", "--venv", "--console-script", "sora2api")
    subprocess.run([*pex, "--output-file", target, ROOT], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=Path("sora2api.pyz"))
    build(parser.parse_args().file)


if __name__ == "__main__":
    main()
