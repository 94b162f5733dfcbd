"""What was accepted is never lost: neither by kill -9, nor by a second sandbox on the same folder."""

import asyncio
import subprocess
import sys

import aiohttp
import pytest


async def test_a_killed_sandbox_goes_on_with_every_accepted_video(start, connect):
    process = start("--delay", "1")
    client = connect(process)
    source = await client.make(prompt="source", size="64x64")
    bodies = [{"prompt": f"clip {n}", "size": "64x64", "seconds": "1"} for n in range(4)]
    videos = await asyncio.gather(*(client.ok("POST", "/v1/videos", json=body) for body in bodies))
    videos.append(await client.ok("POST", f"/v1/videos/{source['id']}/remix", json={"prompt": "remixed"}))
    process.kill()

    client = connect(start("--delay", "1"))
    listed = await client.ok("GET", "/v1/videos", params={"order": "asc"})
    ended = [await client.ended(video) for video in videos]

    assert {source["id"], *(video["id"] for video in videos)} == {video["id"] for video in listed["data"]}
    assert [video["status"] for video in ended] == ["completed"] * 5
    assert [len(await client.frames(video)) for video in ended] == [12, 12, 12, 12, 6]
    assert (await client.stats())["creates"] == 6


async def test_a_killed_sandbox_keeps_characters_and_counters(start, connect):
    process = start("--delay", "0")
    client = connect(process)
    data = aiohttp.FormData({"name": "mia"})
    data.add_field("video", await client.content(await client.make(prompt="Mia", size="64x64")), filename="m.mp4")
    mia = await client.ok("POST", "/v1/videos/characters", data=data)
    process.kill()

    client = connect(start("--delay", "0"))

    assert mia == await client.ok("GET", f"/v1/videos/characters/{mia['id']}")
    assert (
        len(await client.frames(await client.make(prompt="there", size="64x64", characters=[{"id": mia["id"]}]))) == 6
    )
    assert (await client.stats())["creates"] == 2


async def test_a_key_is_honoured_across_a_kill_in_the_middle(start, connect):
    process = start("--delay", "8")
    request = {"json": {"prompt": "once", "size": "64x64"}, "headers": {"Idempotency-Key": "k"}}
    waiting = asyncio.create_task(connect(process).ok("POST", "/v1/images/generations", **request))
    while not (await connect(process).stats())["creates"]:  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(0.02)
    process.kill()
    with pytest.raises(aiohttp.ClientError):
        await waiting

    client = connect(start("--delay", "8"))
    first = await client.ok("POST", "/v1/images/generations", **request)
    second = await client.ok("POST", "/v1/images/generations", **request)

    assert first == second
    assert (await client.stats())["creates"] == 1


def test_two_sandboxes_do_not_share_a_folder(start, tmp_path):
    start()
    command = [sys.executable, "-m", "sora2api", "sandbox", "--port", "0", "--data-dir", str(tmp_path)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert second.returncode == 1
    assert second.stderr.startswith(f"error: Another sandbox uses {tmp_path / 'sandbox'}. Give this one a --data-dir")
    assert "Traceback" not in second.stderr


async def test_a_deleted_video_leaves_no_file_but_what_others_use(start, connect, tmp_path):
    client = connect(start("--delay", "0"))
    video, twin, other = [await client.make(prompt=prompt, size="64x64") for prompt in ("same", "same", "other")]
    await client.content(video, "thumbnail")
    await client.content(other, "spritesheet")
    files = tmp_path / "sandbox" / "files"
    assert sorted(path.suffix for path in files.iterdir()) == [".jpg", ".mp4", ".mp4", ".webp"]

    for gone, left in ((other, 2), (video, 2), (twin, 0)):
        await client.ok("DELETE", f"/v1/videos/{gone['id']}")
        assert left == len(list(files.iterdir()))


def test_a_damaged_database_is_named(tmp_path):
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "sandbox.db").write_bytes(b"no database at all" * 100)
    command = [sys.executable, "-m", "sora2api", "sandbox", "--port", "0", "--data-dir", str(tmp_path)]
    damaged = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert damaged.returncode == 1
    assert f"{tmp_path / 'sandbox' / 'sandbox.db'} cannot be used" in damaged.stderr
    assert "Traceback" not in damaged.stderr
