import math
import shutil
import struct
import time
from fractions import Fraction

import av
import pytest
from PIL import Image, ImageDraw

from sora2api.errors import InvalidVideo
from sora2api.media import clips, pictures
from sora2api.media.clips import Clip

SIZE = (160, 96)
RATE = 48_000


def drawn(count, size=SIZE, ground="navy"):
    """Frames of which no two are alike: a block moves from left to right."""
    for number in range(count):
        image = Image.new("RGB", size, ground)
        left = number * (size[0] - 30) // max(1, count - 1)
        ImageDraw.Draw(image).rectangle((left, 20, left + 29, 70), fill="orange")
        yield image


def tone(seconds, hertz=440):
    for begin in range(0, round(seconds * RATE), 1024):
        frame = av.AudioFrame(format="flt", layout="mono", samples=min(1024, round(seconds * RATE) - begin))
        values = [0.5 * math.sin(2 * math.pi * hertz * (begin + at) / RATE) for at in range(frame.samples)]
        frame.planes[0].update(struct.pack(f"{frame.samples}f", *values))
        frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
        yield frame


def made(path, frames, *, fps=12, codec="libx264", options=None, sound=0.0, turned=None, spans=None):
    """A clip as some engine or telephone may have made it, with whatever codec."""
    with av.open(str(path), "w", options={"movflags": "+faststart"} if path.suffix == ".mp4" else {}) as output:
        video = output.add_stream(codec, rate=fps, options=options or {})
        audio = output.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for number, image in enumerate(frames):
            if not number:
                video.width, video.height = image.size
                video.pix_fmt = "yuv420p"
                if turned:
                    video.set_display_rotation(turned)
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = sum(spans[:number]) if spans else number, Fraction(1, fps)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for frame in tone(sound) if audio else ():
            output.mux(audio.encode(frame))
        if audio:
            output.mux(audio.encode(None))
    return path


def packets(path, kind="video"):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(**{kind: 0}) if packet.size]


def decoded(path):
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_image()) for frame in container.decode(video=0)]


def heard(path):
    """Sound length in seconds, and the loudest sample of each quarter of it."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        raw = b"".join(
            bytes(piece.planes[0])[: piece.samples * 2]
            for frame in container.decode(audio=0)
            for piece in resampler.resample(frame)
        )
    samples = struct.unpack(f"{len(raw) // 2}h", raw)
    quarter = len(samples) // 4
    return len(samples) / RATE, [max(map(abs, samples[at * quarter : (at + 1) * quarter])) for at in range(4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def six(folder):
    clips.encode(drawn(72), folder / "six.mp4", size=SIZE, fps=12)
    return folder / "six.mp4"


@pytest.fixture(scope="module")
def two(folder):
    clips.encode(drawn(24, ground="darkred"), folder / "two.mp4", size=SIZE, fps=12)
    return folder / "two.mp4"


@pytest.fixture(scope="module")
def with_b_frames(folder):
    path = made(folder / "b-frames.mp4", drawn(36), options={"bf": "3", "g": "12", "b_strategy": "0"})
    with av.open(str(path)) as container:
        order = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert order != sorted(order)
    return path


@pytest.fixture(scope="module")
def loud(folder):
    return made(folder / "loud.mp4", drawn(24), options={"bf": "0"}, sound=2.0)


def test_an_encoded_clip_is_what_was_asked(six):
    assert clips.probe(six) == Clip(
        width=160, height=96, seconds=6.0, fps=12.0, frames=72, codec="h264", content_type="video/mp4", audio=False
    )


def test_an_encoded_clip_shows_the_pictures_in_their_colours(six):
    for (_, shown), image in zip(decoded(six), drawn(72), strict=True):
        assert pictures.distance(shown, image) < 0.02


def test_an_encoded_clip_plays_while_it_loads(six):
    content = six.read_bytes()

    assert content.index(b"moov") < content.index(b"mdat")


def test_a_clip_of_one_frame_lasts_for_one_frame(tmp_path):
    assert clips.encode(drawn(1), tmp_path / "one.mp4", size=SIZE, fps=10).seconds == pytest.approx(0.1)


def test_frames_of_a_wrong_or_an_odd_size_are_not_encoded(tmp_path):
    with pytest.raises(ValueError, match="even"):
        clips.encode(drawn(2, (161, 96)), tmp_path / "odd.mp4", size=(161, 96), fps=12)
    with pytest.raises(ValueError, match="Frame 0 is 160x96"):
        clips.encode(drawn(2), tmp_path / "other.mp4", size=(320, 192), fps=12)


def test_a_clip_needs_a_frame(tmp_path):
    with pytest.raises(ValueError, match="no frames"):
        clips.encode([], tmp_path / "none.mp4", size=SIZE, fps=12)


def test_ten_seconds_of_hd_take_about_a_second_of_processor_time(tmp_path):
    frames = list(drawn(120, (1280, 720)))

    begin = time.process_time()
    clip = clips.encode(frames, tmp_path / "hd.mp4", size=(1280, 720), fps=12)
    spent = time.process_time() - begin

    assert clip.seconds == 10.0
    assert spent < 4


@pytest.mark.parametrize(
    ("name", "codec", "content_type", "canonical"),
    [
        ("a.mov", "libx264", "video/quicktime", "h264"),
        ("a.webm", "libvpx", "video/webm", "vp8"),
        ("a.mkv", "libx264", "video/x-matroska", "h264"),
        ("a.avi", "mpeg4", "video/x-msvideo", "mpeg4"),
    ],
)
def test_clips_of_other_kinds_are_probed_cut_and_looked_into(tmp_path, name, codec, content_type, canonical):
    path = made(tmp_path / name, drawn(36), codec=codec, options={"b": "2M"})

    clip = clips.probe(path)
    assert (clip.width, clip.height, clip.frames, clip.codec, clip.content_type) == (
        *SIZE,
        36,
        canonical,
        content_type,
    )
    assert clip.seconds == pytest.approx(3.0, abs=0.09)
    cut = clips.trim(path, tmp_path / "cut.mp4", seconds=1.5)
    assert (cut.frames, cut.seconds, cut.content_type) == (18, 1.5, "video/mp4")
    clips.last_frame(path, tmp_path / "last.png")
    assert pictures.distance(pictures.load(tmp_path / "last.png"), list(drawn(36))[-1]) < 0.05


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mkv", "a.avi"])
@pytest.mark.parametrize("kept", [0.8, 0.3])
def test_a_clip_that_is_cut_off_is_refused(tmp_path, name, kept):
    codec = {"a.webm": "libvpx", "a.avi": "mpeg4"}.get(name, "libx264")
    whole = made(tmp_path / name, drawn(60), codec=codec).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(len(whole) * kept)])

    with pytest.raises(InvalidVideo):
        clips.probe(tmp_path / "cut")


def test_a_clip_that_lost_its_last_bytes_is_refused(tmp_path, six):
    (tmp_path / "cut").write_bytes(six.read_bytes()[:-20])

    with pytest.raises(InvalidVideo):
        clips.probe(tmp_path / "cut")


@pytest.mark.parametrize("content", [b"", b"words", b"\0\0\0\x18ftypmp42" + bytes(200), b"#EXTM3U\n/etc/passwd\n"])
def test_what_is_no_clip_is_refused(tmp_path, content):
    (tmp_path / "no.mp4").write_bytes(content)

    with pytest.raises(InvalidVideo):
        clips.probe(tmp_path / "no.mp4")


def test_a_song_with_a_cover_is_no_clip(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as output:
        cover = output.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = *SIZE, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        audio = output.add_stream("aac", rate=RATE, layout="mono")
        frame = av.VideoFrame.from_image(next(drawn(1)))
        output.mux(cover.encode(frame))
        output.mux(cover.encode(None))
        for piece in tone(0.5):
            output.mux(audio.encode(piece))
        output.mux(audio.encode(None))

    with pytest.raises(InvalidVideo, match="no video"):
        clips.probe(tmp_path / "song.mp4")


def test_a_fragmented_clip_is_read_and_missed_bytes_are_noticed(tmp_path):
    path = tmp_path / "fragments.mp4"
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as output:
        video = output.add_stream("libx264", rate=12, options={"g": "12"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        for image in drawn(48):
            output.mux(video.encode(av.VideoFrame.from_image(image)))
        output.mux(video.encode(None))

    assert (clips.probe(path).seconds, clips.probe(path).frames) == (pytest.approx(4.0, abs=0.1), 48)
    assert clips.trim(path, tmp_path / "cut.mp4", seconds=2.0).seconds == pytest.approx(2.0, abs=0.01)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    with pytest.raises(InvalidVideo):
        clips.probe(path)


def test_a_clip_without_a_picture_is_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as output:
        audio = output.add_stream("aac", rate=RATE, layout="mono")
        for frame in tone(0.5):
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))

    with pytest.raises(InvalidVideo, match="no video"):
        clips.probe(tmp_path / "sound.mp4")


def test_no_damage_escapes_as_another_error(tmp_path, loud):
    whole = loud.read_bytes()
    for place in range(0, len(whole), len(whole) // 80):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "damaged.mp4").write_bytes(damaged)
        try:
            clip = clips.probe(tmp_path / "damaged.mp4")
            clips.last_frame(tmp_path / "damaged.mp4", tmp_path / "last.png")
        except InvalidVideo:
            continue
        assert clip.frames > 0


def test_a_clip_filmed_sideways_is_upright_everywhere(tmp_path):
    path = made(tmp_path / "turned.mp4", drawn(12), turned=90)

    assert (clips.probe(path).width, clips.probe(path).height) == (96, 160)
    clips.first_frame(path, tmp_path / "first.png")
    upright = next(drawn(12)).transpose(Image.Transpose.ROTATE_90)
    assert pictures.distance(pictures.load(tmp_path / "first.png"), upright) < 0.02
    again = clips.join([path, path], tmp_path / "twice.mp4")
    assert (again.width, again.height, again.frames) == (96, 160, 24)
    clips.last_frame(tmp_path / "twice.mp4", tmp_path / "last.png")
    clips.last_frame(path, tmp_path / "original.png")
    assert pictures.difference(tmp_path / "last.png", tmp_path / "original.png") < 0.02


def test_the_frame_at_a_time_is_the_one_then_shown(tmp_path, six):
    frames = list(drawn(72))
    for seconds, number in ((-1, 0), (0, 0), (0.04, 0), (1 / 12, 1), (2.51, 30), (5.95, 71), (6.0, 71), (99, 71)):
        clips.frame_at(six, tmp_path / "at.png", seconds=seconds)
        nearest = min(range(72), key=lambda at: pictures.distance(pictures.load(tmp_path / "at.png"), frames[at]))
        assert nearest == number


def test_the_last_frame_before_a_time_is_the_last_of_the_clip_trimmed_there(tmp_path, six):
    for seconds in (5.0, 2.51, 1 / 12):
        clips.trim(six, tmp_path / "trimmed.mp4", seconds=seconds)
        clips.last_frame(tmp_path / "trimmed.mp4", tmp_path / "last.png")
        clips.last_frame(six, tmp_path / "before.png", before=seconds)
        assert pictures.difference(tmp_path / "last.png", tmp_path / "before.png") == 0


def test_a_trim_copies_packets_and_is_exact(tmp_path, six):
    clip = clips.trim(six, tmp_path / "five.mp4", seconds=5.0)

    assert (clip.seconds, clip.frames) == (5.0, 60)
    assert packets(tmp_path / "five.mp4") == packets(six)[:60]
    frames = decoded(tmp_path / "five.mp4")
    assert [when for when, _ in frames] == pytest.approx([number / 12 for number in range(60)], abs=1e-3)
    clips.last_frame(tmp_path / "five.mp4", tmp_path / "last.png")
    clips.frame_at(six, tmp_path / "at.png", seconds=59 / 12)
    assert pictures.difference(tmp_path / "last.png", tmp_path / "at.png") == 0


@pytest.mark.parametrize("count", range(1, 36, 5))
def test_a_trim_with_b_frames_shows_the_first_frames_and_no_other(tmp_path, with_b_frames, count):
    clip = clips.trim(with_b_frames, tmp_path / "cut.mp4", seconds=count / 12)

    assert (clip.frames, clip.seconds) == (count, pytest.approx(count / 12, abs=1e-3))
    shown, original = decoded(tmp_path / "cut.mp4"), decoded(with_b_frames)[:count]
    assert len(shown) == count
    assert max(pictures.distance(a, b) for (_, a), (_, b) in zip(shown, original, strict=True)) < 0.02


def test_a_trim_beyond_the_end_copies_the_file(tmp_path, two):
    assert clips.trim(two, tmp_path / "same.mp4", seconds=60).seconds == 2.0
    assert (tmp_path / "same.mp4").read_bytes() == two.read_bytes()


def test_a_trim_ends_within_a_frame_that_stays_long(tmp_path):
    path = made(tmp_path / "slides.mp4", drawn(3), options={"bf": "0"}, spans=[48, 48, 12])

    assert clips.trim(path, tmp_path / "cut.mp4", seconds=5.0).seconds == pytest.approx(5.0, abs=0.2)
    clips.last_frame(tmp_path / "cut.mp4", tmp_path / "last.png")
    assert pictures.distance(pictures.load(tmp_path / "last.png"), list(drawn(3))[1]) < 0.03


def test_a_trim_cuts_the_sound_too(tmp_path, loud):
    assert clips.trim(loud, tmp_path / "cut.mp4", seconds=1.0).audio
    kept = packets(tmp_path / "cut.mp4", "audio")
    assert kept == packets(loud, "audio")[: len(kept)]
    seconds, loudness = heard(tmp_path / "cut.mp4")
    assert seconds == pytest.approx(1.0, abs=0.06)
    assert min(loudness) > 10_000


def test_sound_that_an_mp4_should_not_hold_is_encoded_anew(tmp_path):
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as output:
        video = output.add_stream("libvpx", rate=12)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = output.add_stream("libopus", rate=RATE, layout="mono")
        for image in drawn(24):
            output.mux(video.encode(av.VideoFrame.from_image(image)))
        output.mux(video.encode(None))
        for piece in tone(2.0):
            output.mux(audio.encode(piece))
        output.mux(audio.encode(None))

    clips.trim(path, tmp_path / "cut.mp4", seconds=1.0)

    with av.open(str(tmp_path / "cut.mp4")) as container:
        assert container.streams.audio[0].codec.canonical_name == "aac"
    seconds, loudness = heard(tmp_path / "cut.mp4")
    assert seconds == pytest.approx(1.0, abs=0.06)
    assert min(loudness) > 10_000


def test_a_trim_to_nothing_makes_no_sense(tmp_path, two):
    with pytest.raises(ValueError, match="nothing"):
        clips.trim(two, tmp_path / "none.mp4", seconds=0)


def test_clips_of_one_form_are_joined_by_copying(tmp_path, six, two):
    clip = clips.join([six, two, six], tmp_path / "joined.mp4")

    assert (clip.seconds, clip.frames, clip.fps) == (14.0, 168, 12.0)
    assert packets(tmp_path / "joined.mp4") == packets(six) + packets(two) + packets(six)
    frames = decoded(tmp_path / "joined.mp4")
    assert [when for when, _ in frames] == pytest.approx([number / 12 for number in range(168)], abs=1e-3)
    assert pictures.distance(frames[72][1], decoded(two)[0][1]) == 0


def test_clips_with_b_frames_are_joined_by_copying(tmp_path, with_b_frames):
    clip = clips.join([with_b_frames, with_b_frames], tmp_path / "joined.mp4")

    assert (clip.seconds, clip.frames) == (pytest.approx(6.0), 72)
    assert packets(tmp_path / "joined.mp4") == packets(with_b_frames) * 2
    frames, original = decoded(tmp_path / "joined.mp4"), decoded(with_b_frames)
    assert [when for when, _ in frames] == pytest.approx([number / 12 for number in range(72)], abs=1e-3)
    assert all(pictures.distance(frames[36 + at][1], original[at][1]) == 0 for at in range(36))


def test_shots_that_were_trimmed_are_still_joined_by_copying(tmp_path, six, two):
    clips.trim(six, tmp_path / "five.mp4", seconds=5.0)

    assert clips.join([tmp_path / "five.mp4", two], tmp_path / "joined.mp4").seconds == 7.0
    assert packets(tmp_path / "joined.mp4") == packets(six)[:60] + packets(two)


def test_clips_of_other_sizes_and_rates_take_the_first_ones(tmp_path, six):
    tall = made(tmp_path / "tall.mp4", drawn(48, (96, 160), "darkgreen"), fps=24, options={"bf": "2"})
    film = made(tmp_path / "film.webm", drawn(30, (320, 192), "darkred"), fps=30, codec="libvpx")

    clip = clips.join([six, tall, film], tmp_path / "joined.mp4")

    assert (clip.width, clip.height, clip.fps, clip.codec) == (160, 96, pytest.approx(12.0), "h264")
    assert clip.seconds == pytest.approx(6 + 2 + 1, abs=0.1)
    frames = decoded(tmp_path / "joined.mp4")
    assert len(frames) == clip.frames
    for at, expected in ((30, (0, 0, 128)), (80, (0, 100, 0)), (104, (139, 0, 0))):
        assert frames[at][1].getpixel((80, 93)) == pytest.approx(expected, abs=12)


def test_sound_of_one_form_is_joined_by_copying(tmp_path, loud):
    clip = clips.join([loud, loud], tmp_path / "joined.mp4")

    assert (clip.seconds, clip.audio) == (pytest.approx(4.0, abs=0.01), True)
    assert set(packets(tmp_path / "joined.mp4", "audio")) == set(packets(loud, "audio"))
    seconds, loudness = heard(tmp_path / "joined.mp4")
    assert seconds == pytest.approx(4.0, abs=0.1)
    assert min(loudness) > 10_000


def test_a_silent_clip_stays_silent_in_a_join_with_sound(tmp_path, loud, two):
    clip = clips.join([two, loud], tmp_path / "joined.mp4")

    assert (clip.seconds, clip.audio) == (pytest.approx(4.0, abs=0.1), True)
    seconds, loudness = heard(tmp_path / "joined.mp4")
    assert seconds == pytest.approx(4.0, abs=0.1)
    assert loudness[0] < 100
    assert max(loudness[2:]) > 10_000
    assert clip.frames == 48


def test_sound_that_ends_early_does_not_pull_the_next_one_forward(tmp_path, two):
    short = made(tmp_path / "short.mp4", drawn(24), options={"bf": "0"}, sound=0.4)

    clips.join([short, two, short], tmp_path / "joined.mp4")

    seconds, loudness = heard(tmp_path / "joined.mp4")
    assert seconds == pytest.approx(6.0, abs=0.1)
    assert loudness[0] > 10_000
    assert loudness[1] < 100


def test_nothing_cannot_be_joined(tmp_path):
    with pytest.raises(ValueError, match="nothing to join"):
        clips.join([], tmp_path / "joined.mp4")


def test_a_join_with_a_damaged_clip_is_refused(tmp_path, two):
    (tmp_path / "cut.mp4").write_bytes(two.read_bytes()[:-50])

    with pytest.raises(InvalidVideo):
        clips.join([two, tmp_path / "cut.mp4"], tmp_path / "joined.mp4")


def test_the_best_frames_are_distinct_sharp_and_in_order(tmp_path):
    def scenes():
        sharp = [Image.effect_noise(SIZE, 80).convert("RGB"), next(iter(drawn(1))), *list(drawn(9, ground="teal"))[8:]]
        for picture in sharp:
            yield from [Image.new("RGB", SIZE, "black")] * 6
            yield from [picture] * 6

    path = tmp_path / "scenes.mp4"
    clips.encode(scenes(), path, size=SIZE, fps=12)

    best = clips.best_frames(path, tmp_path, count=3)

    assert len(best) == 3
    found = [pictures.load(path) for path in best]
    assert all(pictures.distance(a, b) > 0.03 for a, b in ((found[0], found[1]), (found[1], found[2])))
    scene = [frame for at, frame in enumerate(scenes()) if at % 12 == 6]
    assert [min(range(3), key=lambda at: pictures.distance(frame, scene[at])) for frame in found] == [0, 1, 2]


def test_a_still_clip_has_one_best_frame(tmp_path):
    clips.encode([Image.new("RGB", SIZE, "teal")] * 12, tmp_path / "still.mp4", size=SIZE, fps=12)

    assert len(clips.best_frames(tmp_path / "still.mp4", tmp_path, count=4)) == 1


def test_a_poster_is_a_small_webp(tmp_path, six):
    picture = clips.poster(six, tmp_path / "poster.webp", width=80)

    assert picture == pictures.probe(tmp_path / "poster.webp")
    assert (picture.width, picture.height, picture.content_type) == (80, 48, "image/webp")


def test_a_sprite_sheet_shows_the_clip_from_begin_to_end(tmp_path, six):
    picture = clips.spritesheet(six, tmp_path / "sheet.jpg", columns=4, rows=3, width=80)

    assert (picture.width, picture.height, picture.content_type) == (320, 144, "image/jpeg")
    sheet, frames = pictures.load(tmp_path / "sheet.jpg"), list(drawn(72))
    for place in range(12):
        left, top = place % 4 * 80, place // 4 * 48
        cell = sheet.crop((left, top, left + 80, top + 48))
        assert pictures.distance(cell, frames[place * 6 + 3]) < 0.03


def test_reading_leaves_the_source_alone(tmp_path, two):
    source = shutil.copy(two, tmp_path / "source.mp4")
    before = source.read_bytes()

    clips.trim(source, tmp_path / "cut.mp4", seconds=1)
    clips.join([source, source], tmp_path / "joined.mp4")

    assert source.read_bytes() == before
