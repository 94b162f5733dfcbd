"""What was sent in and is to be confirmed: kept in memory for who sent it, for a while."""

import secrets
import time
from typing import Any, Final

from sora2api.errors import NotFound

LIFETIME: Final = 900.0
_MOST: Final = 4


class Drafts:
    """A few drafts; the oldest go first."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, float, Any]] = {}

    def keep(self, whose: str, draft: Any) -> str:
        """The id under which *whose* draft can be taken."""
        while len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        draft_id = secrets.token_urlsafe(16)
        self._kept[draft_id] = (whose, time.monotonic() + LIFETIME, draft)
        return draft_id

    def take(self, whose: str, draft_id: str) -> Any:
        """The draft, which is gone then. Raises `NotFound`."""
        owner, until, draft = self._kept.get(draft_id, ("", 0.0, None))
        if owner != whose or until < time.monotonic():
            raise NotFound("What was to be confirmed is not kept any more: send it again.", param="draft")
        del self._kept[draft_id]
        return draft
