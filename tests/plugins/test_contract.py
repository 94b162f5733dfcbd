"""The five modes keep the mode contract."""

from sora2api.plugins.character import CharacterMode
from sora2api.plugins.image import ImageMode
from sora2api.plugins.remix import RemixMode
from sora2api.plugins.storyboard import StoryboardMode
from sora2api.plugins.video import VideoMode
from sora2api.testing import ModeContract


class TestCharacter(ModeContract):
    mode = CharacterMode


class TestImage(ModeContract):
    mode = ImageMode


class TestRemix(ModeContract):
    mode = RemixMode


class TestStoryboard(ModeContract):
    mode = StoryboardMode


class TestVideo(ModeContract):
    mode = VideoMode
