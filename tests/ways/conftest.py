"""Rigs that tests share, or have to themselves."""

from collections.abc import Callable, Iterator

import pytest
from ways.rigs import WITHOUT, Rig


@pytest.fixture(scope="module")
def new_rig(tmp_path_factory) -> Iterator[Callable[[], Rig]]:
    """Makes rigs, and ends what runs in them."""
    rigs: list[Rig] = []

    def made() -> Rig:
        rigs.append(Rig(tmp_path_factory.mktemp("rig")))
        return rigs[-1]

    yield made
    for rig in rigs:
        rig.close()


@pytest.fixture(scope="module", params=["native", "composed"])
def way(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def rig(way, tmp_path_factory) -> Iterator[Rig]:
    """A server on an engine that offers everything, or text and image to video alone."""
    rig = Rig(tmp_path_factory.mktemp("rig"))
    rig.sandbox("box", *(WITHOUT if way == "composed" else ()))
    rig.account("box", "--video-slots", "8")
    rig.serve()
    yield rig
    rig.close()
