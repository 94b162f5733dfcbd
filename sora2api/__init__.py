"""One self-hosted process that keeps the Sora API alive."""

from importlib.metadata import version

__version__ = version("sora2api")
