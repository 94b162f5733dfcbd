"""Every call of an account goes through its proxy: R16."""

from collections.abc import Iterator

import pytest
from scenarios.asking import Asker, linked
from scenarios.neighbours import proxy
from ways.films import clip_of, film

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:9"
"""Where the engine is said to be: nothing listens there, so that only what goes through the proxy arrives."""


@pytest.fixture
def tunnelled(rig, asking) -> Iterator[tuple[Asker, list[str]]]:
    """A server that reaches its engine by a SOCKS5 proxy alone, and what that was asked for."""
    rig.start_sandbox("--delay", "0.4")
    port = int(rig.sandbox.url.rpartition(":")[2])
    with proxy("socks5", to=port, credentials="me:secret") as (door, asked):
        way = ("--proxy", f"socks5://me:secret@127.0.0.1:{door}")
        rig.connect("--set", "dialect=sandbox", *way, base_url=NOWHERE)
        rig.start_server("--poll-interval", "0.3", "--fetch-allow", "127.0.0.0/8")
        yield asking(rig), asked


def test_r16_every_call_of_an_account_goes_through_its_socks5_proxy(tunnelled, face, url_of):
    asker, asked = tunnelled
    made = asker.day.begin()
    asker.day.completed(made)
    assert film(asker.rig.get(f"/v1/videos/{made}/content").content).seconds == pytest.approx(1, abs=0.1)

    picture = asker.rig.ask("a picture", model="sora-image", size=None, seconds=None)
    listed = [asker.day.begin() for _ in range(3)]
    remixed = asker.rig.http.post(f"/v1/videos/{made}/remix", json={"prompt": "at night"}).json()["id"]
    cast = asker.chat(linked(("video", url_of(clip_of(face), "video/mp4"))), username="tunnelled")
    for job in (picture, *listed, remixed):
        asker.rig.events(job)
        assert asker.rig.rows(f"SELECT status FROM jobs WHERE id = '{job}'") == [("completed",)]
    assert cast.status_code == 200, cast.text

    asker.hold()
    left = asker.day.begin()
    asker.submitted(left)
    asker.rig.http.post(f"/v1/videos/{left}/cancel").raise_for_status()
    asker.go()
    asker.day.settled()
    assert asked
    assert all("127.0.0.1:9" in line for line in asked)
    ways = {name for (name,) in asker.rig.rows("SELECT DISTINCT proxy FROM calls")}
    assert len(ways) == 1
    assert "secret" not in ways.pop()
