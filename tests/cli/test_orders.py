"""An order of `sora2api generate` is known again by what is asked, wherever its files lie."""

from pathlib import Path

from sora2api.cli.orders import Order

SERVER = "http://127.0.0.1:8000/v1"


def order(*images: Path, video: Path | None = None, prompt: str = "A heron") -> Order:
    return Order(
        prompt=prompt,
        model=None,
        images=images,
        video=video,
        remix=None,
        characters=(),
        size=None,
        seconds=None,
        n=1,
    )


def test_the_same_files_under_other_names_are_the_same_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("heron.png", "moved.png"):
        Path(name).write_bytes(b"a heron")

    digests = {order(path).digest(SERVER) for path in (Path("heron.png"), tmp_path / "heron.png", Path("moved.png"))}

    assert len(digests) == 1


def test_other_contents_and_other_uses_of_a_file_are_other_orders(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"a heron")
    two.write_bytes(b"a kite")
    orders = (order(), order(one), order(two), order(one, two), order(one, video=two), order(one, prompt="A kite"))

    assert len({each.digest(SERVER) for each in orders}) == len(orders)
    assert order(one).digest(SERVER) != order(one).digest("http://127.0.0.1:9000/v1")
