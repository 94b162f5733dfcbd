"""The settings of an account at an engine of the OpenAI shape."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from sora2api.drivers.openai.dialects import DIALECTS
from sora2api.errors import InvalidValue


class OpenAISettings(Struct, frozen=True, kw_only=True):
    """What can be said of an account beside its base URL, token and proxy."""

    dialect: Annotated[
        str,
        Meta(
            title="Dialect",
            description=f"What the engine is: auto (it is asked), or one of {', '.join(DIALECTS)}.",
            examples=["auto", *DIALECTS],
            pattern=f"^({'|'.join(['auto', *DIALECTS])})$",
        ),
    ] = "auto"
    image_model: Annotated[
        str | None,
        Meta(
            title="Model for images",
            description="The engine's model for images, where the engine's own list does not tell.",
        ),
    ] = None
    video_model: Annotated[
        str | None,
        Meta(
            title="Model for videos",
            description="The engine's model for videos, where the engine's own list does not tell.",
        ),
    ] = None
    models: Annotated[
        dict[str, str], Meta(title="Models", description="Public model names, and what the engine calls each of them.")
    ] = {}
    image_timeout: Annotated[
        float,
        Meta(
            gt=0,
            title="Patience for images",
            description="Seconds to wait for an answer that brings the result itself, as for images.",
        ),
    ] = 600.0
    answer_timeout: Annotated[
        float,
        Meta(
            gt=0,
            title="Patience for answers",
            description="Seconds of silence after which any other answer is given up.",
        ),
    ] = 60.0
    polls_at_once: Annotated[
        int,
        Meta(
            ge=1,
            title="Polls at once",
            description="How many tasks are asked after at once, where the engine has no list.",
        ),
    ] = 4


def settings_of(given: Mapping[str, Any]) -> OpenAISettings:
    """Read an account's settings; raise `InvalidValue` where they are wrong."""
    try:
        return msgspec.convert(given, OpenAISettings, strict=False)
    except msgspec.ValidationError as exc:
        raise InvalidValue(f"The account's settings are not valid: {exc}.", param="settings") from exc
