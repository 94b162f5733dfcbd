"""What a job made, as a chat shows it: Markdown with links that need no key."""

from typing import Any

import orjson
from aiohttp import web
from msgspec import Struct

from sora2api.api.services import Services
from sora2api.jobs import JobRecord
from sora2api.modes import Character, Media


class Outcome(Struct, frozen=True, kw_only=True):
    """The reply's text, and the same in data."""

    text: str
    assets: tuple[dict[str, Any], ...]
    share_id: str | None = None
    share_url: str | None = None

    def beside(self) -> dict[str, Any]:
        """The extension fields of the reply."""
        share = {"share_id": self.share_id, "share_url": self.share_url} if self.share_id else {}
        return {"assets": list(self.assets)} | share


def outcome(request: web.Request, services: Services, job: JobRecord) -> Outcome:
    """Links and words for a job that is completed."""
    lines: list[str] = []
    assets: list[dict[str, Any]] = []
    for output in job.outputs:
        for media in output.media:
            url = services.media_link(request, media, until=job.expires_at)
            assets.append(_asset(media, url))
            lines.append(f"![image]({url})" if media.kind == "image" else _video(url, services.settings.chat_video))
        if output.character is not None:
            face = output.character.images[0] if output.character.images else None
            avatar = services.media_link(request, face, until=None) if face else None
            lines.append(_character(output.character, avatar))
            assets.extend([_asset(face, avatar)] if face and avatar else [])
        if output.text is not None:
            lines.append(output.text)
    share = services.link(request, f"/p/{job.share_id}") if job.share_id else None
    return Outcome(text="\n".join(lines), assets=tuple(assets), share_id=job.share_id, share_url=share)


def _asset(media: Media, url: str) -> dict[str, Any]:
    return {
        "id": media.asset,
        "url": url,
        "kind": media.kind,
        "content_type": media.content_type,
        "width": media.width,
        "height": media.height,
        "seconds": media.seconds,
    }


def _video(url: str, form: str) -> str:
    """A video as chat programs show it: most make a player of a link that ends in .mp4."""
    if form == "html":
        return f'\n<video controls src="{url}">\n{url}\n</video>\n'
    if form == "predecessor":
        return f"```html\n<video src='{url}' controls></video>\n```"
    return f"[video]({url})"


def _character(character: Character, url: str | None) -> str:
    card = {"event": "character_card", "card": {"id": character.id, "username": character.name, "avatar_url": url}}
    face = f"![avatar]({url})\n" if url else ""
    return f"@{character.name}\n\n{face}\n```json\n{orjson.dumps(card).decode()}\n```"
