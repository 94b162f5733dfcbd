"""The driver for every engine that speaks the OpenAI shape; how they differ is data, in `dialects`."""

from sora2api.drivers.openai.driver import OpenAIDriver
from sora2api.drivers.openai.settings import OpenAISettings

__all__ = ["OpenAIDriver", "OpenAISettings"]
