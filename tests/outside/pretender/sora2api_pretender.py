"""A class that looks like a mode and is none."""

from sora2api.modes import API_VERSION


class PretenderMode:
    name = "pretender"
    api_version = API_VERSION
    priority = 1000

    def accepts(self, request: object) -> bool:
        return True
