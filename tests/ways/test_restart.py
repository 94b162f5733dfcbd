"""A server that is killed goes on the way that it had chosen, and makes only what is missing."""

import pytest
from ways.films import distance
from ways.rigs import WITHOUT, Rig

STORYBOARD = "[0.5s]a red kite [0.5s]rain on a roof [0.5s]a calm lake"


def started(rig: Rig, fault: str, *options: str) -> Rig:
    rig.sandbox("box", *options)
    rig.account("box")
    rig.serve(SORA2API_FAULT=fault)
    return rig


@pytest.mark.parametrize("point", ["intent:3", pytest.param("store:2", marks=pytest.mark.slow)])
def test_a_kill_after_shot_two_of_three_makes_only_shot_three(new_rig, point):
    rig = started(new_rig(), point, *WITHOUT)
    job = rig.begin(STORYBOARD)
    rig.server_dies()
    assert rig.creates() == 2

    rig.serve()
    made = rig.ended(job)

    assert made.job["status"] == "completed"
    assert rig.creates() == 3
    assert abs(made.film.seconds - 1.5) < 0.1
    for number, task in enumerate(rig.tasks("box")):
        assert distance(rig.film_of("box", task).at(0.25), made.film.at(0.5 * number + 0.25)) < 0.03
    assert made.ways == ["composed"]
    assert made.progress == sorted(made.progress)
    assert min(made.progress, default=100) >= 33


@pytest.mark.slow
def test_what_an_engine_has_natively_is_gone_on_with_though_its_account_is_not_in_use_any_more(new_rig):
    rig = started(new_rig(), "record:1")
    job = rig.begin(STORYBOARD)
    rig.server_dies()
    rig.sandbox("other", *WITHOUT)
    rig.account("other")
    rig.run("account", "disable", "box")

    rig.serve()
    made = rig.ended(job)

    assert made.job["status"] == "completed"
    assert made.ways == ["native"]
    assert rig.creates() == 1
