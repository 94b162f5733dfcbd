"""The `@name` that a character gets: made of the name that it is shown by, or made up."""

import re
import secrets
import unicodedata
from collections.abc import Iterator
from itertools import count
from typing import Final

_LONGEST: Final = 40
_OTHER: Final = re.compile(r"[^a-z0-9]+")
_CYRILLIC: Final = (
    "аa бb вv гg дd еe ёyo жzh зz иi йy кk лl мm нn оo пp рr сs тt "
    "уu фf хkh цts чch шsh щshch ъ ыy ь эe юyu яya іi їyi єye ґg"
)
_TO_LATIN: Final = str.maketrans({pair[0]: pair[1:] for pair in _CYRILLIC.split()})
_FIRST: Final = (
    "amber",
    "brave",
    "calm",
    "clever",
    "gentle",
    "lucky",
    "merry",
    "noble",
    "quiet",
    "rapid",
    "sunny",
    "wild",
)
_SECOND: Final = (
    "badger",
    "crane",
    "falcon",
    "fox",
    "heron",
    "lynx",
    "marten",
    "otter",
    "panda",
    "raven",
    "tiger",
    "wolf",
)


def names(display_name: str) -> Iterator[str]:
    """The names to try, the best first, without end."""
    plain = _plain(display_name)
    if plain:
        yield plain
        for number in count(2):
            yield f"{plain}_{number}"
    while True:
        yield f"{secrets.choice(_FIRST)}_{secrets.choice(_SECOND)}_{secrets.randbelow(900) + 100}"


def _plain(display_name: str) -> str:
    """A name in letters that a prompt can call, "Mossy the Fox" as `mossy_the_fox`; empty where none are left."""
    latin = unicodedata.normalize("NFC", display_name).casefold().translate(_TO_LATIN)
    letters = unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode().lower()
    return _OTHER.sub("_", letters).strip("_")[:_LONGEST].rstrip("_")
