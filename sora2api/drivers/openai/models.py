"""What an engine has: its answer to GET /models, read as models and what each can do."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from sora2api.drivers import Capability, EngineModel
from sora2api.drivers.openai.dialects import Capabilities, Dialect
from sora2api.drivers.openai.settings import OpenAISettings

_KNOWN: Final = frozenset(get_args(Capability))
_VIDEO: Final = re.compile(
    r"video|sora|\bveo|\bwan|ltx|mochi|kling|hailuo|seedance|cosmos|\bsvd|magi|t2v|i2v|animate", re.IGNORECASE
)
_IMAGE: Final = re.compile(
    r"image|dall-?e|flux|sdxl|diffusion|\bsd-?3|kontext|pixart|hidream|kolors|recraft|t2i|i2i", re.IGNORECASE
)


def engine_models(
    listed: Iterable[Mapping[str, Any]], *, dialect: Dialect, settings: OpenAISettings
) -> list[EngineModel]:
    """Return the models that make images or videos: the *listed* ones, and those that the *settings* name."""
    found = {}
    for model in listed:
        name = model.get("id")
        if isinstance(name, str) and (capabilities := _told(model) or _guess(name, model, dialect, settings)):
            found[name] = EngineModel(name=name, capabilities=capabilities)
    for name, capabilities in ((settings.image_model, dialect.images), (settings.video_model, dialect.videos)):
        if name is not None and name not in found:
            found[name] = EngineModel(name=name, capabilities=capabilities)
    for name in settings.models.values():
        if name not in found and (capabilities := _by_name(name, dialect)):
            found[name] = EngineModel(name=name, capabilities=capabilities)
    return list(found.values())


def _told(model: Mapping[str, Any]) -> Capabilities | None:
    """What an engine of our own kind says itself, in the words of the driver contract."""
    told = model.get("capabilities")
    return frozenset(word for word in told if word in _KNOWN) if isinstance(told, list) else None


def _guess(name: str, model: Mapping[str, Any], dialect: Dialect, settings: OpenAISettings) -> Capabilities | None:
    if name == settings.image_model:
        return dialect.images
    if name == settings.video_model:
        return dialect.videos
    # SGLang tells a task type such as T2V, I2V, TI2V or T2I.
    task_type = model.get("task_type")
    return _by_name(task_type if isinstance(task_type, str) else name, dialect)


def _by_name(name: str, dialect: Dialect) -> Capabilities | None:
    if _VIDEO.search(name):
        return _video(name.lower(), dialect)
    return dialect.images if _IMAGE.search(name) else None


def _video(name: str, dialect: Dialect) -> Capabilities:
    """What a model of this *name* makes: those named only "t2v" take no picture, those named only "i2v" need one."""
    if "ti2v" in name:
        return dialect.videos
    if "i2v" in name and "t2v" not in name:
        return dialect.videos - {"clip"}
    if "t2v" in name and "i2v" not in name:
        return dialect.videos - {"first_frame", "references"}
    return dialect.videos
