"""An error answer made one of our errors, by its status and headers alone; drivers that know more look there first."""

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime

from sora2api import errors

BY_STATUS = {
    401: errors.AccountRejected,
    402: errors.QuotaExhausted,
    403: errors.AccountRejected,
    408: errors.NetworkFault,
    429: errors.RateLimited,
    502: errors.NetworkFault,
    503: errors.EngineBusy,
    504: errors.NetworkFault,
}
# Those that keep the default message: engines tend to repeat a part of the token in theirs.
_MUTE = (errors.AccountRejected, errors.NetworkFault)


def refusal(
    status: int, headers: Mapping[str, str], *, message: str | None = None, param: str | None = None
) -> errors.EngineError:
    """Return what an answer of *status* 400 or more means. 408, 502 and 504 leave open whether it was taken."""
    kind = BY_STATUS.get(status) or (errors.EngineFault if status >= 500 else errors.BadRequest)
    text = None if issubclass(kind, _MUTE) else message
    return kind(text, param=param, retry_after=retry_after(headers))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that an answer names: `retry-after-ms`, or Retry-After in seconds or as a date."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        text = headers.get("Retry-After")
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return _until(headers.get("Retry-After", ""))


def _until(date: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
