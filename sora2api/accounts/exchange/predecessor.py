"""The accounts that sora2api's predecessor exported: their names, proxies and limits. Its tokens have no engine."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

NOTE: Final = "it comes in disabled: its token has no engine any more; give it a base URL and a token, then enable it"
FOR_NEW_ONES: Final = frozenset({"driver", "base_url", "enabled"})
"""What a row says only of accounts that are not there yet."""
_BASE_URL: Final = "https://api.openai.com/v1"


class _Theirs(Struct, frozen=True):
    """An item of the predecessor's export array, as far as it means something here. Limits below 1: none was set."""

    email: str | None = None
    name: str | None = None
    remark: str | None = None
    proxy_url: str | None = None
    image_enabled: bool | None = None
    video_enabled: bool | None = None
    image_concurrency: int | None = None
    video_concurrency: int | None = None


def translated(item: Mapping[str, Any], *, base_url: str | None) -> tuple[dict[str, Any], str]:
    """The fields of an account, and what is to be said of it. Raises `msgspec.ValidationError`."""
    theirs = msgspec.convert(item, _Theirs, strict=False)
    fields: dict[str, Any] = {"driver": "openai", "base_url": base_url or _BASE_URL, "enabled": False}
    name = theirs.email or theirs.name or theirs.remark
    if name:
        fields["name"] = name
    if theirs.proxy_url:
        fields["proxy"] = theirs.proxy_url
    for slots, enabled, limit in (
        ("image_slots", theirs.image_enabled, theirs.image_concurrency),
        ("video_slots", theirs.video_enabled, theirs.video_concurrency),
    ):
        if enabled is False:
            fields[slots] = 0
        elif limit is not None and limit > 0:
            fields[slots] = limit
    return fields, f"{NOTE} (remark: {theirs.remark})" if theirs.remark and theirs.remark != name else NOTE
