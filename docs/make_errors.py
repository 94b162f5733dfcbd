"""Writes docs/errors.md from the tree of errors: `python docs/make_errors.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sora2api.errors import ClientError, EngineError, JobError, Sora2ApiError

PAGE: Final = Path(__file__).with_name("errors.md")
INTRODUCTION: Final = """# Errors

<!-- Made by docs/make_errors.py; change sora2api/errors.py or the advice there instead. -->

Every error of the API, whatever the path, has this form, and its `code` is never null:

```json
{
  "error": {
    "message": "There is no such model here; GET /v1/models lists them.",
    "type": "invalid_request_error",
    "param": "model",
    "code": "model_not_found"
  }
}
```

Go by `code`: messages may change. `param` names the field at fault, where there is one. Each reply has an
`x-request-id`, which the server's log has too.

`x-should-retry` tells OpenAI's SDKs whether to send the request again by themselves; `Retry-After`, in seconds, when.
In the tables, *by itself* means that it is so, *later* that the same request may do better once what the last column
says has been done or has passed, and *no* that it never will as it is.

A job that fails says so with the same four fields: in a Video's `error` (asking for it is answered with 200), and as
the error of a request that waited for the job, such as an image's or a chat's. Such a request is never sent again by
itself, since that would be another job.
"""
GROUPS: Final = (
    ("Refused requests", "What the API itself answers.", ClientError),
    ("At the engine", "What became of a job at an engine, or on the way to it.", EngineError),
    ("Jobs", "How else a job can end without a result.", JobError),
    ("Inside the server", "", Sora2ApiError),
)
NO: Final = "no"
LATER: Final = "later"
BY_ITSELF: Final = "by itself"

ADVICE: Final[dict[str, tuple[str, str]]] = {
    "invalid_request": (NO, "Correct the request; the message says what is wrong."),
    "invalid_json": (NO, "Send a JSON object, in UTF-8."),
    "invalid_value": (NO, "Correct the field that `param` names; the message says what it takes."),
    "missing_required_parameter": (NO, "Send the field that `param` names."),
    "invalid_image": (NO, "Send a PNG, JPEG, WebP or GIF that other programs open."),
    "invalid_video": (NO, "Send an MP4, WebM or MOV that other programs play."),
    "link_not_fetched": (LATER, "See that the link leads to a file, with no login; or send the file itself."),
    "link_refused": (NO, "Send the file itself, or let the operator name its network in `fetch_allow`."),
    "unsupported_feature": (NO, "Do without it; the message says what to ask instead."),
    "video_not_ready": (LATER, "Wait until the video is completed: follow its events, or ask for it again."),
    "invalid_api_key": (NO, "Send a key that `sora2api key create` has made."),
    "api_key_expired": (NO, "Ask the operator for a new key, or to let this one go on."),
    "forbidden": (NO, "Ask the operator."),
    "address_not_allowed": (NO, "Call from one of the networks that the operator named for the key."),
    "mode_not_allowed": (NO, "Use another key, or ask the operator to add the mode to this one."),
    "model_not_allowed": (NO, "Ask for a model that `GET /v1/models` lists for this key."),
    "not_found": (NO, "Check the id and the path. What belongs to another key is not found either."),
    "model_not_found": (NO, "Ask for a model that `GET /v1/models` lists."),
    "method_not_allowed": (NO, "Use a method that `Allow` names."),
    "expired": (NO, "Make it anew; `expires_at` says beforehand how long things are kept."),
    "request_too_large": (NO, "Send less, or let the operator raise `upload_limit` or `json_limit`."),
    "unsupported_media_type": (NO, "Send JSON or multipart/form-data, and say so in `Content-Type`."),
    "idempotency_key_reused": (NO, "Use a new `Idempotency-Key` for each request that is meant to be another one."),
    "queue_full": (BY_ITSELF, "Wait as `Retry-After` says; the operator may raise `queue_limit` or add accounts."),
    "rate_limit_exceeded": (
        BY_ITSELF,
        "Wait as `Retry-After` says; `x-ratelimit-remaining-requests` warns of it.",
    ),
    "too_many_jobs": (BY_ITSELF, "Wait until one of the key's jobs is over, or cancel one."),
    "insufficient_quota": (
        LATER,
        "Wait until the day or the month ends (UTC), or ask the operator for more.",
    ),
    "receiving_full": (BY_ITSELF, "Send it again in a moment; the operator may raise `receive_limit`."),
    "too_many_attempts": (BY_ITSELF, "Wait as `Retry-After` says."),
    "wait_timeout": (NO, "The job goes on: ask for it by its id, which the message has."),
    "no_engine": (LATER, "Let the operator add an account that serves the model."),
    "starting": (BY_ITSELF, "Send it again in a moment."),
    "intake_paused": (BY_ITSELF, "Wait until the operator lets new jobs in again."),
    "draining": (BY_ITSELF, "Send it again when the server is back. Jobs that were taken go on then."),
    "disk_full": (BY_ITSELF, "Let the operator make room on the disk, or lower `disk_reserve`."),
    "engine_error": (LATER, "Read the message; the operator's log has more."),
    "rejected_by_engine": (NO, "Ask for something else: another size, another length, another model."),
    "moderation_blocked": (NO, "Change the prompt or the pictures."),
    "not_served_here": (LATER, "Let the operator correct the models of the account."),
    "account_rejected": (LATER, "Let the operator give the account a new token."),
    "account_expired": (LATER, "Let the operator give the account a new token."),
    "quota_exhausted": (LATER, "Wait for the engine's next period, or let the operator add an account."),
    "engine_rate_limited": (LATER, "Ask again later, or let the operator add an account."),
    "engine_busy": (LATER, "Ask again later, or let the operator add an account."),
    "engine_fault": (LATER, "Ask again; if it stays so, the engine's own log tells why."),
    "network_fault": (LATER, "Ask again; if it stays so, let the operator see to the way to the engine."),
    "engine_unreachable": (LATER, "Let the operator see whether the engine runs, and at which address."),
    "proxy_fault": (LATER, "Let the operator see to the account's proxy."),
    "task_lost": (LATER, "Ask again: the engine has forgotten the task, as after a restart of it."),
    "cancelled": (NO, "Somebody cancelled it, or its `Cancel-After` was over: ask again if it is still wanted."),
    "job_failed": (LATER, "Ask again; if it stays so, let the operator look for the job's id in the log."),
    "queue_timeout": (LATER, "Ask when there is less to do; the operator may raise `queue_timeout` or add accounts."),
    "deadline_exceeded": (LATER, "Ask for less at once, or let the operator raise `deadlines`."),
    "account_unavailable": (LATER, "Ask again later: only the account that made the video can change it."),
    "submit_unknown": (LATER, "Look at the engine whether it was made; then ask again, which may make it twice."),
    "mode_missing": (LATER, "Let the operator install the plugin again."),
    "mode_error": (LATER, "Let the operator look for the job's id in the log, and tell the plugin's author."),
    "internal_error": (LATER, "A fault of the server: report it, with the `x-request-id`."),
    "worker_died": (LATER, "The file is too much for the server, or damaged: send another, or a smaller one."),
    "not_installed": (NO, "Install sora2api as its README says."),
}
"""Of each code, whether to send the same request again, and what to do."""


def page() -> str:
    """The page as it should be now."""
    return INTRODUCTION + "".join(_group(*group) for group in GROUPS)


def _group(title: str, about: str, root: type[Sora2ApiError]) -> str:
    rows: dict[tuple[str, int], str] = {}
    for error in _of(root):
        rows.setdefault((error.code, error.status), _row(error))
    head = "| code | status | message | again | what to do |\n|---|---|---|---|---|\n"
    return f"\n## {title}\n" + (f"\n{about}\n" if about else "") + f"\n{head}" + "".join(rows.values())


def _of(root: type[Sora2ApiError]) -> Iterator[type[Sora2ApiError]]:
    """The errors of a group: the tree below *root* as far as it is in errors.py, without that of other groups."""
    yield root
    for error in root.__subclasses__():
        if error.__module__ == Sora2ApiError.__module__ and error not in {other for _, _, other in GROUPS}:
            yield from _of(error)


def _row(error: type[Sora2ApiError]) -> str:
    again, advice = ADVICE[error.code]
    message = (error.__doc__ or "").strip()
    return f"| `{error.code}` | {error.status} | {message} | {again} | {advice} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
