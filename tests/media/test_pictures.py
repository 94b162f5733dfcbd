import io
import struct
import zlib

import pytest
from PIL import Image, ImageDraw

from sora2api.errors import InvalidImage
from sora2api.media import pictures
from sora2api.media.pictures import Picture

TURNED = 6
"""The EXIF orientation of a picture that has to be turned clockwise by a quarter."""


def noise(size, mode="RGB"):
    return Image.effect_noise(size, 60).convert(mode)


def saved(path, image, **options):
    image.save(path, **options)
    return path


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found


@pytest.fixture
def sideways(tmp_path):
    """40x80 when upright: red on top, blue below; stored lying on its side."""
    upright = Image.new("RGB", (40, 80), "red")
    ImageDraw.Draw(upright).rectangle((0, 40, 40, 80), fill="blue")
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    return saved(tmp_path / "sideways.jpg", stored, exif=exif(TURNED), quality=95)


def is_red(pixel):
    return pixel[0] > 200 and pixel[2] < 60


def test_a_picture_is_told_by_its_content_and_not_by_its_name(tmp_path):
    path = saved(tmp_path / "picture.png", noise((30, 20)), format="JPEG")

    assert pictures.probe(path) == Picture(width=30, height=20, content_type="image/jpeg")


def test_a_rotated_jpeg_has_its_upright_size(sideways):
    assert pictures.probe(sideways) == Picture(width=40, height=80, content_type="image/jpeg")


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
@pytest.mark.parametrize("kept", [0.95, 0.6, 0.1])
def test_a_picture_that_is_cut_off_is_refused(tmp_path, name, kept):
    whole = saved(tmp_path / "whole", noise((120, 90)), format=name).read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(whole[: int(len(whole) * kept)])

    assert pictures.probe(tmp_path / "whole").width == 120
    with pytest.raises(InvalidImage, match="damaged or cut off"):
        pictures.probe(path)


def test_a_png_with_one_wrong_byte_in_its_picture_is_refused(tmp_path):
    damaged = bytearray(saved(tmp_path / "whole.png", noise((120, 90))).read_bytes())
    damaged[len(damaged) // 2] ^= 0x55
    path = tmp_path / "damaged.png"
    path.write_bytes(damaged)

    with pytest.raises(InvalidImage):
        pictures.probe(path)


@pytest.mark.parametrize(
    "content", [b"just words, no picture\n", b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" + bytes(99)]
)
def test_a_text_or_an_empty_shell_called_png_is_refused(tmp_path, content):
    path = tmp_path / "text.png"
    path.write_bytes(content)

    with pytest.raises(InvalidImage):
        pictures.probe(path)


@pytest.mark.parametrize("side", [8_001, 12_000, 30_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, side):
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    )
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)

    with pytest.raises(InvalidImage, match="64 megapixels"):
        pictures.probe(path)


def test_a_missing_file_is_not_called_a_damaged_image(tmp_path):
    with pytest.raises(FileNotFoundError):
        pictures.probe(tmp_path / "none.png")


def test_fitting_covers_the_size_and_keeps_the_middle(tmp_path):
    wide = Image.new("RGB", (300, 100), "green")
    ImageDraw.Draw(wide).rectangle((100, 0, 199, 99), fill="red")
    source, target = saved(tmp_path / "wide.png", wide), tmp_path / "fitted.png"

    assert pictures.fit(source, target, size=(64, 64)) == Picture(width=64, height=64, content_type="image/png")
    with Image.open(target) as fitted:
        assert (fitted.format, fitted.size) == ("PNG", (64, 64))
        assert all(is_red(fitted.getpixel(place)) for place in ((2, 2), (32, 32), (61, 61)))


def test_fitting_turns_the_picture_upright(sideways, tmp_path):
    pictures.fit(sideways, tmp_path / "fitted.png", size=(40, 80))

    with Image.open(tmp_path / "fitted.png") as fitted:
        assert is_red(fitted.getpixel((20, 5)))
        assert not is_red(fitted.getpixel((20, 75)))


def test_a_png_of_that_size_is_copied_byte_for_byte(tmp_path):
    source = saved(tmp_path / "source.png", noise((64, 48)), compress_level=1)

    pictures.fit(source, tmp_path / "same.png", size=(64, 48))

    assert (tmp_path / "same.png").read_bytes() == source.read_bytes()


def test_a_png_of_that_size_that_says_to_be_turned_is_not_copied(tmp_path):
    source = saved(tmp_path / "source.png", noise((64, 64)), exif=exif(TURNED))

    pictures.fit(source, tmp_path / "turned.png", size=(64, 64))

    with Image.open(tmp_path / "turned.png") as turned:
        assert turned.getexif().get(0x0112, 1) == 1
        assert pictures.distance(turned, Image.open(source).transpose(Image.Transpose.ROTATE_270)) == 0


@pytest.mark.parametrize("count", [0, 1, 3, 12])
def test_insets_stand_framed_along_the_bottom_and_leave_the_rest_alone(tmp_path, count):
    base = saved(tmp_path / "base.png", Image.new("RGB", (320, 180), "green"))
    faces = [saved(tmp_path / f"face-{number}.png", Image.new("RGB", (90, 160), "red")) for number in range(count)]

    pictures.inset(base, faces, tmp_path / "with.png")

    with Image.open(tmp_path / "with.png") as drawn:
        assert drawn.size == (320, 180)
        assert {drawn.getpixel((x, y)) for x in range(320) for y in range(110)} == {(0, 128, 0)}
        columns = [any(is_red(drawn.getpixel((x, y))) for y in range(110, 180)) for x in range(320)]
        assert sum(now and not before for before, now in zip([False, *columns], columns, strict=False)) == count
        assert ((255, 255, 255) in {drawn.getpixel((x, 150)) for x in range(320)}) == (count > 0)


@pytest.mark.parametrize(
    ("content_type", "name"), [("image/png", "PNG"), ("image/jpeg", "JPEG"), ("image/webp", "WEBP")]
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "1", "LA"])
def test_a_picture_of_any_kind_converts_to_any_format(tmp_path, content_type, name, mode):
    original = Image.linear_gradient("L").resize((50, 30)).convert("RGB").convert(mode)
    source = saved(tmp_path / "source", original, format="JPEG" if mode == "CMYK" else "PNG")

    result = pictures.convert(source, tmp_path / "result", content_type=content_type)

    assert result == Picture(width=50, height=30, content_type=content_type)
    with Image.open(tmp_path / "result") as converted:
        converted.load()
        assert converted.format == name
    assert pictures.difference(source, tmp_path / "result") < 0.03


def test_what_is_transparent_becomes_white_in_a_jpeg(tmp_path):
    source = saved(tmp_path / "clear.png", Image.new("RGBA", (20, 20), (255, 0, 0, 0)))

    pictures.convert(source, tmp_path / "clear.jpg", content_type="image/jpeg")

    with Image.open(tmp_path / "clear.jpg") as converted:
        assert min(converted.getpixel((10, 10))) > 250


def test_a_grey_picture_of_16_bits_keeps_its_brightness(tmp_path):
    source = saved(tmp_path / "deep.png", Image.new("I;16", (20, 20), 0x8000))

    pictures.convert(source, tmp_path / "plain.png", content_type="image/png")

    with Image.open(tmp_path / "plain.png") as converted:
        assert converted.convert("L").getpixel((10, 10)) == pytest.approx(128, abs=1)


def test_a_picture_too_long_for_the_format_is_refused_by_name(tmp_path):
    source = saved(tmp_path / "long.png", Image.new("RGB", (17_000, 2)))

    with pytest.raises(InvalidImage, match="image/webp"):
        pictures.convert(source, tmp_path / "long.webp", content_type="image/webp")


def test_where_a_picture_was_taken_is_not_passed_on(tmp_path):
    marked = exif(1)
    marked[0x010E] = "taken at home"
    source = saved(tmp_path / "marked.jpg", noise((40, 40)), exif=marked)

    for content_type in ("image/png", "image/jpeg", "image/webp"):
        pictures.convert(source, tmp_path / "result", content_type=content_type)
        assert b"taken at home" in source.read_bytes()
        assert b"taken at home" not in (tmp_path / "result").read_bytes()


@pytest.mark.parametrize(
    ("size", "expected"), [((960, 480), (480, 240)), ((100, 50), (100, 50)), ((2, 4000), (1, 1920))]
)
def test_a_thumbnail_keeps_proportions_and_never_grows(tmp_path, size, expected):
    source = saved(tmp_path / "source.png", Image.new("RGB", size, "red"))

    small = pictures.thumbnail(source, tmp_path / "small.webp")

    assert (small.width, small.height) == expected
    with Image.open(tmp_path / "small.webp") as image:
        assert (image.format, image.size) == ("WEBP", expected)


def test_difference_runs_from_none_to_one(tmp_path):
    black = saved(tmp_path / "black.png", Image.new("RGB", (30, 30), "black"))
    white = saved(tmp_path / "white.png", Image.new("RGB", (90, 10), "white"))
    grey = saved(tmp_path / "grey.png", Image.new("RGB", (64, 64), (51, 51, 51)))

    assert pictures.difference(black, black) == 0.0
    assert pictures.difference(black, white) == 1.0
    assert pictures.difference(black, grey) == pytest.approx(0.2)
    assert pictures.difference(grey, black) == pictures.difference(black, grey)


def test_no_damage_escapes_as_another_error(tmp_path):
    path = tmp_path / "damaged"
    for name in ("PNG", "JPEG", "WEBP", "GIF"):
        file = io.BytesIO()
        noise((40, 30)).save(file, name)
        for place in range(0, len(file.getvalue()), max(1, len(file.getvalue()) // 60)):
            damaged = bytearray(file.getvalue())
            damaged[place] ^= 0xFF
            path.write_bytes(damaged)
            try:
                found = pictures.probe(path)
            except InvalidImage:
                continue
            assert found.width * found.height <= pictures.MAX_PIXELS
