import io

import av
import pytest
from PIL import Image

from sora2api.media.sniff import EXTENSIONS, HEAD, sniff


def picture(name):
    file = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(file, name)
    return file.getvalue()


def clip(container, codec):
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (32, 32)))))
        output.mux(stream.encode(None))
    return file.getvalue()


def brands(major, *compatible):
    body = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4) + body


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("AVIF", "image/avif"),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(name, content_type):
    found = sniff(picture(name)[:64])

    assert (found.kind, found.content_type, found.extension) == ("image", content_type, EXTENSIONS[content_type])


@pytest.mark.parametrize(
    ("container", "codec", "content_type"),
    [
        ("mp4", "libx264", "video/mp4"),
        ("mov", "libx264", "video/quicktime"),
        ("webm", "libvpx", "video/webm"),
        ("matroska", "libx264", "video/x-matroska"),
        ("avi", "mpeg4", "video/x-msvideo"),
    ],
)
def test_a_clip_is_known_by_its_first_bytes(container, codec, content_type):
    found = sniff(clip(container, codec)[:64])

    assert (found.kind, found.content_type, found.extension) == ("video", content_type, EXTENSIONS[content_type])


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x89PN",
        b"GIF",
        b"....ftyp",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"<!DOCTYPE html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"#EXTM3U\n#EXT-X-VERSION:3\n",
        b"%PDF-1.7",
        b"ID3\x04",
        brands(b"heic", b"mif1", b"heic"),
        brands(b"M4A ", b"mp42", b"isom"),
        brands(b"crx ", b"crx "),
    ],
)
def test_nothing_else_is_taken_for_media(head):
    assert sniff(head.ljust(HEAD, b"\0")) is None
    assert sniff(head) is None


def test_an_avif_under_the_general_brand_is_known_by_its_compatible_brands():
    assert sniff(brands(b"mif1", b"mif1", b"avif", b"miaf")).content_type == "image/avif"


def test_brands_beyond_the_box_do_not_count():
    assert sniff(brands(b"xxxx") + b"isomisom") is None
