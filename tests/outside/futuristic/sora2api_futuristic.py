"""A mode that is written for another version of the contract."""

from sora2api.modes import API_VERSION, Found, Mode, Plan, Request


class FuturisticMode(Mode):
    name = "futuristic"
    api_version = API_VERSION + 41

    def accepts(self, request: Request) -> bool:
        return True

    def plan(self, request: Request, found: Found) -> Plan:
        raise NotImplementedError
