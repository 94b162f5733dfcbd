"""The share page of a finished video: public, plain, and readable by what makes previews of links."""

from aiohttp import web
from yarl import URL

from sora2api.auth.address import caller, networks, public_base
from sora2api.web.guard import BARE_POLICY
from sora2api.web.keys import SETTINGS, SHARES, SharedVideo
from sora2api.web.pages import page


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/{share}", show, name="share")]


async def show(request: web.Request) -> web.Response:
    settings = request.config_dict[SETTINGS]()
    base = public_base(caller(request, networks(settings.trusted_proxies)), settings.public_url)
    share_id = request.match_info["share"]
    video = await request.config_dict[SHARES].find(share_id)
    if video is None:
        return page(request, "unshared.html", status=404)
    address = f"{base}{request.path}"
    video = _absolute(video, base)
    response = page(
        request, "share.html", video=video, address=address, share=share_id, public=settings.share == "public"
    )
    response.headers["Content-Security-Policy"] = _policy(video)
    return response


def _absolute(video: SharedVideo, base: str) -> SharedVideo:
    poster = video.poster and str(URL(base).join(URL(video.poster)))
    return SharedVideo(
        title=video.title,
        model=video.model,
        video=str(URL(base).join(URL(video.video))),
        poster=poster,
        width=video.width,
        height=video.height,
        seconds=video.seconds,
    )


def _policy(video: SharedVideo) -> str:
    """The media may lie on another host (`public_url`, S3); nothing else may."""
    media = f"'self' {URL(video.video).origin()}"
    images = f"'self' {URL(video.poster).origin()}" if video.poster else "'self'"
    return f"{BARE_POLICY}; img-src {images}; media-src {media}"
