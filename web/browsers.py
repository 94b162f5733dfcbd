"""What a browser's `User-Agent` says, in two words."""

from typing import Final

_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_LONGEST: Final = 40


def browser(agent: str | None) -> str:
    """`Firefox, Linux`; what is none of the known ones is called what it calls itself."""
    if not agent:
        return "–"
    known = [next((name for sign, name in signs if sign in agent), None) for signs in (_BROWSERS, _SYSTEMS)]
    return ", ".join(name for name in known if name) or agent[:_LONGEST]
