"""How long jobs may be worked: what their mode says, unless the operator says otherwise."""

import logging
from collections.abc import Mapping, Sequence

from sora2api.modes import Mode

log = logging.getLogger(__name__)


class Deadlines:
    """The seconds that a job of each mode may be worked. *given* is the setting, as in `image=300`."""

    def __init__(self, given: Sequence[str], modes: Mapping[str, Mode]) -> None:
        said = {mode: float(seconds) for mode, _, seconds in (text.partition("=") for text in given)}
        for name in said.keys() - modes.keys():
            log.warning("a deadline for a mode that is not installed", extra={"mode": name})
        self._seconds = {name: mode.deadline for name, mode in modes.items()} | said

    def of(self, mode: str) -> float | None:
        """None: the mode is not installed, and its jobs wait for it no longer than they may."""
        return self._seconds.get(mode)
