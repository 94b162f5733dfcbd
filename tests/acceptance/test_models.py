"""What can be asked for: the models that somebody serves."""

import pytest

DOCUMENTED = {
    "sora-image": ("image", "360x360", None),
    "sora-image-landscape": ("image", "540x360", None),
    "sora-image-portrait": ("image", "360x540", None),
    "sora-video-10s": ("video", "1280x720", 10),
    "sora-video-15s": ("video", "1280x720", 15),
    "sora-video-landscape-10s": ("video", "1280x720", 10),
    "sora-video-landscape-15s": ("video", "1280x720", 15),
    "sora-video-portrait-10s": ("video", "720x1280", 10),
    "sora-video-portrait-15s": ("video", "720x1280", 15),
}


def test_the_documented_models_are_listed_with_their_sizes_and_lengths(server):
    listed = {model["id"]: model for model in server.http.get("/v1/models").json()["data"]}

    for name, (kind, size, seconds) in DOCUMENTED.items():
        assert listed[name]["object"] == "model"
        makes = listed[name]["makes"]
        assert (makes["kind"], makes["size"], makes.get("seconds")) == (kind, size, seconds)
    assert {"sora-2", "sora-2-pro", "gpt-image", "sora2-landscape-10s", "sora2pro-hd-portrait-15s"} <= set(listed)


def test_a_model_says_what_the_engines_in_use_do_with_it(server):
    image = server.http.get("/v1/models/sora-image").json()["capabilities"]
    video = server.http.get("/v1/models/sora-2").json()["capabilities"]

    assert {"image", "image_edit"} <= set(image) <= {"image", "image_edit", "mask"}
    assert {"clip", "first_frame", "remix"} <= set(video)
    assert not {"image", "list", "cancel"} & set(video)


@pytest.mark.parametrize("path", ["/v1/models/sora-image", "/openai/v1/models/sora-image", "/v1/models/sora%2Dimage"])
def test_a_model_can_be_looked_up(server, path):
    assert server.http.get(path).json()["id"] == "sora-image"


@pytest.mark.parametrize("name", ["nothing", "org%2Fname", "org/name"])
def test_an_unknown_model_is_404(server, refused, name):
    refused(server.http.get(f"/v1/models/{name}"), 404, "model_not_found", "model")


@pytest.mark.parametrize(("model", "size"), [("sora-image-landscape", (540, 360)), ("sora-image-portrait", (360, 540))])
def test_an_image_has_its_models_size(server, look, model, size):
    made = server.stream("a lighthouse", model=model, size=None, seconds=None).outcome

    assert look(server.file(made["assets"][0]["url"]))[1] == size


def test_a_video_has_the_asked_size_and_length_where_its_model_allows_them(server, look):
    made = server.stream("a lighthouse", size="96x160", seconds="1.5").outcome

    kind, size, seconds = look(server.file(made["assets"][0]["url"]))
    assert (kind, size) == ("mp4", (96, 160))
    assert seconds == pytest.approx(1.5, abs=0.1)


def test_several_images_are_made_at_once(server):
    made = server.chat("three boats", model="sora-image", n=3).json()

    urls = [asset["url"] for asset in made["sora2api"]["assets"]]
    assert made["choices"][0]["message"]["content"] == "\n".join(f"![image]({url})" for url in urls)
    assert len({server.file(url) for url in urls}) == 3
