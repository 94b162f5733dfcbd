"""What the README shows can be copied and works: its requests for the five modes, in the order in which they stand."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import av
import pytest
from running import Running

pytestmark = pytest.mark.slow

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def _shell() -> str:
    """The commands of the section on the modes, as one script."""
    section = README.partition("## The five modes")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


def _replies(said: str) -> Iterator[dict[str, Any]]:
    while said := said.strip():
        reply, end = json.JSONDecoder().raw_decode(said)
        yield reply
        said = said[end:]


def _asset(reply: dict[str, Any]) -> bytes:
    with urlopen(reply["sora2api"]["assets"][0]["url"]) as response:
        return response.read()


def _seconds(clip: bytes) -> float:
    with av.open(BytesIO(clip)) as container:
        stream = container.streams.video[0]
        return sum(1 for _ in container.decode(stream)) / float(stream.average_rate)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's requests are made by curl")
def test_the_readmes_requests_give_what_they_promise(tmp_path):
    with Running("serve", tmp_path / "state", "--sandbox-delay", "0") as server:
        script = _shell().replace(ADDRESS, server.url)
        said = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        image, video, remix, storyboard, character = _replies(said)

        assert _asset(image).startswith(b"\x89PNG")
        for reply, seconds in ((video, 10), (remix, 10), (storyboard, 20)):
            assert abs(_seconds(_asset(reply)) - seconds) < 0.2
    assert re.match(r"@[a-z0-9_]+(\.[a-z0-9_]+)*\n", character["choices"][0]["message"]["content"])
