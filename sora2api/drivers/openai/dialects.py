"""How the engines that speak the OpenAI shape differ, as data: a row each, and how to tell which one answers.

The rows state documented behaviour: vLLM-Omni 0.30, SGLang Diffusion 0.5.23, FastVideo 0.2.1, TensorRT-LLM visual_gen,
NVIDIA Dynamo 1.6, LiteLLM 1.106, new-api, Azure OpenAI v1, and OpenAI's own API. Gateways (LiteLLM, new-api) have
routes for more than is claimed here, but whether anything answers there depends on what stands behind them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from sora2api.drivers import Capability

Capabilities = frozenset[Capability]

_IMAGES: Final[Capabilities] = frozenset({"image", "image_edit"})
_MASKED: Final[Capabilities] = frozenset({"image", "image_edit", "mask"})
_CLIPS: Final[Capabilities] = frozenset({"clip", "first_frame"})
_LISTED: Final[Capabilities] = _CLIPS | {"list"}


class Dialect(Struct, frozen=True, kw_only=True):
    """How one engine's API is spoken, and what it can do where it does not tell itself."""

    name: str
    images: Capabilities = _IMAGES
    videos: Capabilities = _CLIPS
    create: Literal["multipart", "json"] = "multipart"
    """How a clip is ordered. With "json" a picture goes as a data URL; texts and numbers go as they are."""
    seconds: Literal["string", "whole", "number"] = "string"
    """How a length goes: as OpenAI's decimal text, rounded up to whole seconds, or as a number."""
    references: str | None = None
    """The field for pictures beyond the first frame."""
    response_format: str | None = None
    """What is asked for as the form of images, where the default is not their bytes."""
    waits: bool = False
    """Whether a clip is answered only when it is done."""
    replays: bool = False
    """Whether an image asked for again with the same Idempotency-Key is neither made nor paid twice."""
    mismatch: str | None = None
    """What a message of status 400 holds when the model is another: only for engines that give no code for it."""
    auth_header: str = "Authorization"
    auth_scheme: str = "Bearer"
    root: str = "/v1"
    """What stands before "/videos" where the base URL does not say it."""


DIALECTS: Final[dict[str, Dialect]] = {
    row.name: row
    for row in (
        # The least that the shape promises; what auto falls back to.
        Dialect(name="plain"),
        Dialect(
            name="openai",
            images=_MASKED,
            videos=_LISTED | {"remix", "edit", "extend", "characters"},
        ),
        Dialect(
            name="sandbox",
            images=_MASKED,
            videos=_LISTED | {"remix", "edit", "extend", "characters", "shots", "cancel"},
            response_format="b64_json",
            replays=True,
        ),
        Dialect(
            name="vllm-omni",
            videos=_LISTED | {"references", "cancel"},
            seconds="whole",
            references="input_references",
            response_format="b64_json",
            mismatch="Model mismatch",
        ),
        Dialect(name="sglang", videos=_LISTED, seconds="whole", response_format="b64_json"),
        Dialect(name="fastvideo", videos=_LISTED, seconds="whole", response_format="b64_json"),
        Dialect(name="tensorrt-llm", videos=_LISTED, seconds="number", response_format="b64_json"),
        Dialect(name="dynamo", create="json", seconds="whole", response_format="b64_json", waits=True),
        Dialect(name="litellm"),
        Dialect(name="new-api"),
        Dialect(
            name="azure",
            images=_MASKED,
            videos=_LISTED | {"remix"},
            auth_header="api-key",
            auth_scheme="",
            root="/openai/v1",
        ),
    )
}

_OWNERS: Final = {
    "sora2api-sandbox": "sandbox",
    "vllm": "vllm-omni",
    "vllm-omni": "vllm-omni",
    "sglang": "sglang",
    "fastvideo": "fastvideo",
    "tensorrt_llm": "tensorrt-llm",
}
_HEADERS: Final = {
    "x-litellm-version": "litellm",
    "x-litellm-call-id": "litellm",
    "x-new-api-version": "new-api",
    "x-oneapi-request-id": "new-api",
}
_HOSTS: Final = {"api.openai.com": "openai", ".openai.azure.com": "azure", ".services.ai.azure.com": "azure"}


def of_host(host: str) -> Dialect | None:
    """Return the dialect of a service that its host name tells."""
    for end, name in _HOSTS.items():
        if host == end or (end.startswith(".") and host.endswith(end)):
            return DIALECTS[name]
    return None


def of_answer(models: Sequence[Mapping[str, Any]], headers: Mapping[str, str]) -> Dialect:
    """Return the dialect of the engine that answered GET /models with these *models* and *headers*."""
    for header, name in _HEADERS.items():
        if header in headers:
            return DIALECTS[name]
    for model in models:
        if isinstance(model.get("capabilities"), list):
            return DIALECTS["sandbox"]
        owner = str(model.get("owned_by")).lower()
        if owner in _OWNERS:
            return DIALECTS[_OWNERS[owner]]
    return DIALECTS["plain"]
