"""The renderer by itself: quick, and never in the event loop."""

import time
from collections.abc import Callable

import aiohttp
import av
import pytest
from aiohttp.test_utils import TestServer
from blockbuster import blockbuster_ctx

from sora2api.media import clips
from sora2api.sandbox import studio
from sora2api.sandbox.engine import Options
from sora2api.sandbox.orders import FPS, ClipOrder, Part, name_of
from sora2api.sandbox.server import application


def test_an_order_has_one_name_and_another_order_another():
    order = ClipOrder(action="make", size=(64, 64), parts=(Part("a", 1),))

    assert name_of(order) == name_of(ClipOrder(action="make", size=(64, 64), parts=(Part("a", 1),)))
    assert name_of(order) != name_of(ClipOrder(action="make", size=(64, 64), parts=(Part("a", 1.5),)))


async def test_nothing_blocks_the_event_loop(tmp_path, talk, photo_bytes):
    async with TestServer(application(Options(folder=tmp_path, delay=0))) as server:
        headers = {"Authorization": "Bearer sk-sandbox"}
        async with aiohttp.ClientSession(server.make_url("/"), headers=headers) as session:
            with blockbuster_ctx("sora2api"):
                client = talk(session)
                data = aiohttp.FormData({"prompt": "x", "size": "64x64", "seconds": "0.5"})
                data.add_field("input_reference", photo_bytes, filename="p.png")
                video = await client.ended(await client.ok("POST", "/v1/videos", data=data))
                for variant in ("video", "thumbnail", "spritesheet"):
                    await client.content(video, variant)
                await client.ok("POST", "/v1/images/generations", json={"prompt": "x", "size": "64x64"})
                await client.ok("DELETE", f"/v1/videos/{video['id']}")


@pytest.mark.slow
def test_ten_seconds_in_720p_cost_little_more_than_the_encoding_of_their_frames(tmp_path):
    order = ClipOrder(action="make", size=(1280, 720), parts=(Part("A calico cat plays the piano on a stage", 10),))
    made, again = tmp_path / "clip.mp4", tmp_path / "again.mp4"
    rendering = processor_time(lambda: studio.render(order, tmp_path, made))
    with av.open(made) as clip:
        frames = [frame.to_image() for frame in clip.decode(video=0)]
    encoding = processor_time(lambda: clips.encode(frames, again, size=order.size, fps=FPS))

    assert clips.probe(made) == clips.probe(again)
    assert (clips.probe(made).frames, clips.probe(made).seconds) == (120, 10.0)
    assert rendering < 3 * encoding


def processor_time(work: Callable[[], object]) -> float:
    """What *work* takes of the processor, in seconds: the same however busy the machine is."""
    began = time.process_time()
    work()
    return time.process_time() - began
