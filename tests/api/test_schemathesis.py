"""What a machine makes of the OpenAPI document: requests right and wrong, none of which may find a fault."""

import subprocess
import sys
from pathlib import Path

import pytest
from running import Running

pytestmark = pytest.mark.slow

SECONDS = 75
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
)


def test_no_request_breaks_the_server_or_gets_a_reply_that_is_not_as_told(tmp_path):
    with Running("serve", tmp_path / "data", "--sandbox-delay", "0") as server:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                *("run", f"{server.url}/openapi.json", "--header", "Authorization: Bearer han1234"),
                *("--include-path-regex", "^/v1/"),
                *("--checks", ",".join(CHECKS), "--continue-on-failure", "--no-shrink"),
                *("--max-time", str(SECONDS), "--seed", "1"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=2 * SECONDS,
            check=False,
        )

    assert done.returncode == 0, done.stdout[-20_000:]
    assert f"Tested: {done.stdout.partition('Selected: ')[2].partition('/')[0]}" in done.stdout
