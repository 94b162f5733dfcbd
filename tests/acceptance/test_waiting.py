"""A reply that is not streamed waits for the outcome, up to a limit."""

import time
from concurrent.futures import ThreadPoolExecutor


def test_past_the_limit_it_names_the_job_which_goes_on(impatient, refused):
    reply = impatient.chat("a slow river")

    job = reply.json()["sora2api"]["job"]
    assert job in refused(reply, 504, "wait_timeout")["message"]
    assert reply.headers["x-should-retry"] == "false"
    assert impatient.job(job)["status"] == "in_progress"
    assert impatient.ended(job)["status"] == "completed"


def test_a_job_that_is_cancelled_meanwhile_ends_the_wait(slow, refused):
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(slow.chat, "a river that never comes")
        while not (rows := slow.rows("select id from jobs where prompt = 'a river that never comes'")):
            time.sleep(0.02)
        slow.http.post(f"/v1/videos/{rows[0][0]}/cancel")
        refused(waiting.result(timeout=10), 400, "cancelled")
