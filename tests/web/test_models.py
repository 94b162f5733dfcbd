"""The catalog in the panel and its API."""

import httpx2


def model(served, name, role="administrator"):
    return served.api(role).get(f"/models/{name}")


def test_a_model_tells_who_would_serve_it(served):
    found = model(served, "sora-2", "viewer").json()

    assert found["model"]["serving"] == 1
    assert [server["account"] for server in found["servers"]] == ["sandbox"]


def test_a_viewer_looks_and_an_operator_sets(served):
    viewer, operator = served.api("viewer"), served.api("operator")
    body = {"cost_per_second": 0.1, "group": "gold"}

    refused = viewer.patch("/models/sora-2-pro", json=body)
    taken = operator.patch("/models/sora-2-pro", json=body).json()
    no_more = viewer.delete("/models/sora-2-pro")
    back = operator.delete("/models/sora-2-pro").json()

    assert (refused.status_code, no_more.status_code) == (403, 403)
    assert (taken["cost_per_second"], taken["group"], taken["set"]) == (0.1, "gold", True)
    assert (back["cost_per_second"], back["set"], back["serving"]) == (None, False, 1)


def test_a_model_of_ones_own_is_listed_for_clients_until_it_is_taken_back(served):
    def listed():
        key = {"Authorization": "Bearer han1234"}
        return [
            each["id"] for each in httpx2.get(f"{served.url}/v1/models", headers=key, trust_env=False).json()["data"]
        ]

    form = {"name": "my-film", "makes": "video", "size": "640x360", "seconds": "3", "aliases": "film", "sizes": ""}
    served.page.do("models.set", **form)
    made = model(served, "film").json()["model"]
    there = "my-film" in listed()
    served.api().delete("/models/my-film")

    assert (made["name"], made["origin"], made["seconds"], made["sizes"]) == ("my-film", "own", 3, [])
    assert there
    assert "my-film" not in listed()


def test_what_makes_no_model_is_refused_by_its_field(served):
    def param(**fields):
        return served.api().patch("/models/none-such", json=fields).json()["error"]["param"]

    assert param(makes="video") == "size"
    assert param(makes="video", size="wide", seconds=2) == "size"
    assert param(makes="video", size="64x64") == "seconds"
    assert param(size="64x64") == "makes"
    assert model(served, "none-such").status_code == 404
