"""A chat program, and what it can see of a server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from baddays.settling import BadDay, until
from rig import Rig

CHATS = "/v1/chat/completions"
SUBMIT = {"method": "POST", "path": "/v1/videos"}
POLL = {"method": "GET", "path": "/v1/videos/*"}
LIST = {"method": "GET", "path": "/v1/videos"}
IMAGE = {"method": "POST", "path": "/v1/images/generations"}
SMALL = {"model": "sora-video", "size": "160x96", "seconds": 1}


class Asker:
    """A client of a rig's server, from now on until it is `close`d, and the *account* that is used for it."""

    def __init__(self, rig: Rig, *, account: str = "box") -> None:
        self.rig = rig
        self.name = account
        self.day = BadDay(rig)
        self._before = len(rig.jobs())

    def chat(self, content: Any, **fields: Any) -> httpx2.Response:
        """The reply that is waited for; a small video unless the *fields* say otherwise."""
        return self.rig.http.post(CHATS, json=body(content, fields))

    @contextmanager
    def streaming(self, content: Any, **fields: Any) -> Iterator[httpx2.Response]:
        with self.rig.http.stream("POST", CHATS, json=body(content, {"stream": True, **fields})) as reply:
            yield reply

    def streamed(self, content: Any, **fields: Any) -> list[Any]:
        """All chunks of a streamed reply, decoded; the last one is the text `[DONE]`."""
        with self.streaming(content, **fields) as reply:
            assert reply.status_code == 200, reply.read()
            data = [line[6:] for line in reply.iter_lines() if line.startswith("data: ")]
        return [said if said == "[DONE]" else json.loads(said) for said in data]

    def refused(self, reply: httpx2.Response, status: int, code: str, param: str | None = None) -> str:
        """The message of an error in OpenAI's envelope, which must be this one."""
        assert reply.status_code == status, reply.text
        error = reply.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["code"], error["param"]) == (code, param), error
        return str(error["message"])

    def account(self) -> dict[str, Any]:
        """How the account stands, as its operator sees it."""
        return self.rig.run("account", "show", self.name)

    def stats(self) -> dict[str, Any]:
        """What the engine has counted: `polls`, `lists`, requests `by_path` and `by_token`."""
        return httpx2.get(f"{self.rig.sandbox.url}/_sandbox/stats", timeout=30).json()

    def hold(self) -> None:
        """From now on no video shows as done, until they are let `go`."""
        for asked in (POLL, LIST):
            self.rig.misbehave(**asked, change={"status": "in_progress"}, times=1000)

    def go(self) -> None:
        httpx2.delete(f"{self.rig.sandbox.url}/_sandbox/faults", timeout=30).raise_for_status()

    def submitted(self, job: str) -> str:
        """What the engine calls the job's task, as soon as that is known."""
        return until(lambda: self.engine_task(job))

    def engine_task(self, job: str) -> str | None:
        """What the engine calls the job's latest task, once that is known."""
        query = f"SELECT engine_task FROM tasks WHERE job_id = '{job}' ORDER BY intended_at DESC LIMIT 1"
        found = self.rig.rows(query)
        return found[0][0] if found else None

    def most_at_once(self, *jobs: str) -> int:
        """How many of the jobs had a slot of an account at the same time."""
        names = ", ".join(f"'{job}'" for job in jobs)
        spans = self.rig.rows(f"SELECT intended_at, ended_at FROM tasks WHERE job_id IN ({names})")
        return max(sum(began <= at < ended for began, ended in spans) for at, _ in spans)

    def jobs(self, prompt: str) -> list[str]:
        return [row[0] for row in self.rig.rows(f"SELECT id FROM jobs WHERE prompt = '{prompt}'")]

    def close(self) -> None:
        """Nothing of what was asked is left: no live task, no stray file, one create for each accepted task."""
        if len(self.rig.jobs()) > self._before:
            self.day.settled()


def body(content: Any, fields: dict[str, Any]) -> dict[str, Any]:
    return {**SMALL, "messages": [{"role": "user", "content": content}], **fields}


def linked(*parts: tuple[str, str], text: str = "") -> list[dict[str, Any]]:
    """The content of a message with a *text* and links, a kind ("image" or "video") and a URL each."""
    media = [{"type": f"{kind}_url", f"{kind}_url": {"url": url}} for kind, url in parts]
    return [*([{"type": "text", "text": text}] if text else []), *media]


def markdown_link(reply: httpx2.Response) -> str:
    """The link that the reply's text is."""
    assert reply.status_code == 200, reply.text
    (choice,) = reply.json()["choices"]
    content = choice["message"]["content"]
    assert content.startswith("[video](http")
    return str(content[len("[video](") : -1])
