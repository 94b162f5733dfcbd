"""What the limits of a key leave it, in the headers of each reply (OpenAI's names, and our own beside them)."""

import math

from aiohttp import web

from sora2api.api.services import KEY, SERVICES
from sora2api.auth.limits import UNLIMITED


async def tell_limits(request: web.Request, response: web.StreamResponse) -> None:
    """`x-ratelimit-limit-`, `-remaining-` and `-reset-` of requests, jobs and seconds of video, where there is a limit.

    Of jobs and seconds it is the day's or the month's, whichever leaves less. What a client pays is not told here.
    """
    key = request.get(KEY)
    if key is None or key.limits is UNLIMITED:
        return
    services = request.config_dict[SERVICES]
    rate = services.authenticator.rate(key)
    if rate is not None:
        _tell(response, "requests", rate.limit, rate.remaining, rate.reset)
    for left in services.jobs.left(key.id, key.limits):
        if left.amount != "money":
            _tell(response, left.amount, left.limit, left.remaining, left.reset)


def _tell(response: web.StreamResponse, amount: str, limit: float, remaining: float, reset: float) -> None:
    response.headers[f"x-ratelimit-limit-{amount}"] = f"{limit:.10g}"
    response.headers[f"x-ratelimit-remaining-{amount}"] = f"{remaining:.10g}"
    response.headers[f"x-ratelimit-reset-{amount}"] = duration(reset)


def duration(seconds: float) -> str:
    """Whole seconds as OpenAI's headers have them: 1s, 6m0s, 23h59m59s."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
