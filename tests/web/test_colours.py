"""The stylesheet's colours can be told apart, worked out from the properties themselves."""

import math
import re
from importlib.resources import files

import pytest

from sora2api.web.charts import HUES

CSS = (files("sora2api.web") / "static" / "panel.css").read_text()
BACKS = ("background", "surface", "raised")
TONES = ("good", "busy", "warn", "bad")


def colours(theme: int) -> dict[str, tuple[float, float, float]]:
    """The named colours of the light (0) or dark (1) theme: lightness, chroma, hue."""
    named = re.findall(r"--([a-z-]+): light-dark\(oklch\(([^)]+)\), oklch\(([^)]+)\)\)", CSS)
    return {name: tuple(map(float, themes[theme].split())) for name, *themes in named}


def luminance(colour: tuple[float, float, float]) -> float:
    """WCAG's relative luminance, by way of OKLab and linear sRGB (clipped to what a screen can show)."""
    lightness, chroma, hue = colour
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    red, green, blue = (min(max(part, 0.0), 1.0) for part in (red, green, blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def pairs() -> list[tuple[str, str, float]]:
    text = [(front, back, 4.5) for front in ("text", "text-quiet", "accent") for back in BACKS]
    tones = [(tone, back, 4.5) for tone in TONES for back in ("background", "surface", f"{tone}-back")]
    notices = [("text", f"{tone}-back", 4.5) for tone in TONES]
    series = [(hue, "surface", 3.0) for hue in HUES]
    return [
        *text,
        *tones,
        *notices,
        *series,
        ("on-accent", "accent", 4.5),
        *(("edge", back, 3.0) for back in BACKS[:2]),
    ]


def test_the_measure_is_right():
    assert contrast((1, 0, 0), (0, 0, 0)) == pytest.approx(21.0)
    assert luminance((0.62796, 0.25768, 29.2339)) == pytest.approx(0.2126, abs=1e-3)


def test_both_themes_name_the_same_colours():
    assert {name for pair in pairs() for name in pair[:2]} <= set(colours(0)) == set(colours(1))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), pairs())
def test_what_is_to_be_read_stands_out(theme, front, back, least):
    named = colours(theme)

    assert contrast(named[front], named[back]) >= least
