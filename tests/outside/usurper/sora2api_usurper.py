"""A sound mode under a name that another has."""

from sora2api.modes import API_VERSION, Found, Mode, Plan, Request


class VideoMode(Mode):
    name = "video"
    api_version = API_VERSION
    priority = 1000

    def accepts(self, request: Request) -> bool:
        return True

    def plan(self, request: Request, found: Found) -> Plan:
        raise NotImplementedError
