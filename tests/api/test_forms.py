"""Forms that no program of good will sends."""

import httpx2
import pytest

HEADERS = {"Authorization": "Bearer han1234", "Content-Type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize("header", [b'name="\x08\x14"', b'name="a\x00b"', b"name\x01=a", b"\x7f: b"])
def test_a_part_whose_headers_are_damaged_is_the_clients_fault(url, header):
    form = b"--x\r\nContent-Disposition: form-data; " + header + b"\r\n\r\na pier\r\n--x--\r\n"

    reply = httpx2.post(f"{url}/v1/videos", headers=HEADERS, content=form)

    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error")
