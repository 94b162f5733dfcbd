"""Jobs that are over for long go with all that is theirs, a few at a time; what somebody still needs stays."""

import time
from pathlib import Path

import pytest
from rig import Rig

from sora2api.jobs.cleaning import Cleaner
from sora2api.jobs.ledger import Ledger
from sora2api.media.store import MediaStore
from sora2api.media.workshop import Workshop
from sora2api.notify import Deliveries
from sora2api.notify.endpoints import Endpoints
from sora2api.notify.signing import Signer
from sora2api.store.database import FILE, Database
from sora2api.store.secrets import Secrets

OF_A_JOB = ("steps", "tasks", "events", "assets", "idempotency_keys")


def count(rig: Rig, table: str) -> int:
    return rig.rows(f"SELECT count(*) FROM {table}")[0][0]


def files(rig: Rig) -> set[Path]:
    return {path for path in (rig.data / "media").rglob("*") if path.is_file()}


def make(rig: Rig, prompt: str, **fields: object) -> str:
    body = {"model": "sora-video", "prompt": prompt, "size": "160x96", "seconds": 1, **fields}
    reply = rig.http.post("/v1/videos", json=body, headers={"Idempotency-Key": prompt})
    job = reply.raise_for_status().json()["id"]
    assert rig.ended(job)["status"] == "completed"
    return job


async def test_old_jobs_go_and_what_is_needed_stays(rig):
    """The clean-up is called on the data directory of a server that has ended, with the times of its jobs moved."""
    rig.start_sandbox("--delay", "0")
    rig.connect()
    rig.start_server()
    old = [make(rig, f"pier {number}") for number in range(3)]
    needed, young = make(rig, "a source"), make(rig, "a young one")
    film = rig.get(f"/v1/videos/{young}/content").content
    upload = {"file": ("cat.mp4", film, "video/mp4"), "purpose": (None, "vision")}
    kept = rig.http.post("/v1/files", files=upload).raise_for_status().json()["id"]
    cast = rig.http.post("/v1/videos/characters", json={"name": "Cat", "video": {"id": young}})
    character = cast.raise_for_status().json()["id"]
    rig.ended(rig.rows("SELECT id FROM jobs WHERE kind = 'character'")[0][0])
    everything = files(rig)
    rig.server.stop()

    gone = await cleaned(rig, old=(*old, needed), needed=needed)

    assert gone == set(old)
    assert {job for (job,) in rig.rows("SELECT id FROM jobs WHERE kind = 'video'")} == {needed, young}
    for table in OF_A_JOB:
        left = rig.rows(f"SELECT DISTINCT job_id FROM {table} WHERE job_id IN {tuple(old)}")
        assert left == [], table
    assert files(rig) < everything
    assert {path.name for path in files(rig)} == {digest for (digest,) in rig.rows("SELECT sha256 FROM assets")}
    rig.start_server()
    assert rig.get(f"/v1/videos/{old[0]}").status_code == 404
    assert rig.get(f"/v1/videos/{needed}/content").status_code == 200
    assert rig.get(f"/v1/files/{kept}/content").status_code == 200
    assert rig.get(f"/v1/videos/characters/{character}").status_code == 200


async def cleaned(rig: Rig, *, old: tuple[str, ...], needed: str) -> set[str]:
    """The jobs that go once the *old* ones are over for two days, while somebody uses the files of one."""
    database = Database(rig.data / FILE)
    workshop = Workshop()
    endpoints = Endpoints(database, Signer(Secrets.open(rig.data)))
    store = MediaStore(rig.data, database, workshop, reserve=0)
    cleaner = Cleaner(database, store, Ledger(database, Deliveries(database, endpoints)), job_lifetime=86400)
    back = f"UPDATE jobs SET completed_at = {time.time() - 2 * 86400} WHERE id IN {old}"
    await database.write(lambda connection: connection.exec_driver_sql(back))
    in_use = {asset for (asset,) in rig.rows(f"SELECT id FROM assets WHERE job_id = '{needed}'")}
    gone: set[str] = set()
    while some := await cleaner.jobs(in_use=in_use):
        gone |= set(some)
    await workshop.close()
    await database.close()
    return gone


@pytest.mark.slow
async def test_a_clean_up_takes_few_jobs_at_a_time(rig):
    rig.start_sandbox("--delay", "0")
    rig.connect()
    rig.start_server()
    make(rig, "a pier")
    rig.server.stop()
    columns = ", ".join(name for _, name, *_ in rig.rows("PRAGMA table_info(jobs)") if name not in ("id", "share_id"))
    database = Database(rig.data / FILE)
    many = f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
        INSERT INTO jobs (id, {columns}) SELECT 'video_' || i, {columns} FROM jobs, n"""
    await database.write(lambda connection: connection.exec_driver_sql(many))
    await database.write(lambda connection: connection.exec_driver_sql("UPDATE jobs SET completed_at = 1"))
    workshop = Workshop()
    endpoints = Endpoints(database, Signer(Secrets.open(rig.data)))
    store = MediaStore(rig.data, database, workshop, reserve=0)
    cleaner = Cleaner(database, store, Ledger(database, Deliveries(database, endpoints)), job_lifetime=86400)

    batches = []
    while gone := await cleaner.jobs(in_use=()):
        batches.append(len(gone))
    await workshop.close()
    await database.close()

    assert (sum(batches), max(batches)) == (121, 50)
    assert count(rig, "jobs") == 0
