"""One self-hosted process that keeps the Sora API alive."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sora2api")
except PackageNotFoundError:  # a checkout that is not installed; a command says so
    __version__ = "0"
