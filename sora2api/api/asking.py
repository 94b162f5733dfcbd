"""What a request for media has in common, whatever its wire format: a model, a form, inputs, and the job they make."""

import math

from sora2api.errors import InvalidValue
from sora2api.media.store import Arrival
from sora2api.modes import Kind, Media


def number_of(seconds: float | str | None) -> float | None:
    """A length that may come as text ("8"), as the SDKs send it."""
    if seconds is None:
        return None
    try:
        length = float(seconds)
    except ValueError:
        length = math.nan
    if not 0 < length < math.inf:
        raise InvalidValue("`seconds` must be a positive number.", param="seconds")
    return length


def only(kind: Kind, arrivals: list[Arrival], *, param: str) -> tuple[Media, ...]:
    """The uploaded files of a field that takes one *kind*."""
    for arrival in arrivals:
        if arrival.media.kind != kind:
            raise InvalidValue(f"`{param}` takes {kind}s, and this is a file of another kind.", param=param)
    return tuple(arrival.media for arrival in arrivals)
