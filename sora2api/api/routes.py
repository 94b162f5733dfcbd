"""The table of the API's paths, each under /v1 and, for code written for Azure, under /openai/v1."""

from typing import Final

from aiohttp import web

from sora2api.api import characters, chat, files, images, models, video_requests, videos, webhooks
from sora2api.api.middlewares import PREFIXES, Handler, keyed, mark, time_reply
from sora2api.media.links import PREFIX

_TABLE: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("POST", "/chat/completions", chat.chat_completions),
    ("POST", "/images/generations", images.generate_images),
    ("POST", "/images/edits", images.edit_images),
    ("POST", "/images/variations", images.vary_images),
    ("POST", "/files", files.create_file),
    ("GET", "/files", files.list_files),
    ("GET", "/files/{id}", files.get_file),
    ("DELETE", "/files/{id}", files.delete_file),
    ("GET", "/files/{id}/content", files.file_content),
    ("GET", "/models", models.list_models),
    ("GET", "/models/{id:.+}", models.get_model),
    ("POST", "/videos", video_requests.create_video),
    ("GET", "/videos", videos.list_videos),
    ("POST", "/videos/edits", video_requests.edit_video),
    ("POST", "/videos/extensions", video_requests.extend_video),
    ("POST", "/videos/characters", characters.create_character),
    ("GET", "/videos/characters", characters.list_characters),
    ("GET", "/videos/characters/{id}", characters.get_character),
    ("DELETE", "/videos/characters/{id}", characters.delete_character),
    ("GET", "/videos/{id}", videos.get_video),
    ("DELETE", "/videos/{id}", videos.delete_video),
    ("GET", "/videos/{id}/content", videos.video_content),
    ("GET", "/videos/{id}/events", videos.video_events),
    ("POST", "/videos/{id}/remix", video_requests.remix_video),
    ("POST", "/videos/{id}/cancel", videos.cancel_video),
    ("GET", "/webhook_event_types", webhooks.list_event_types),
    ("POST", "/webhook_endpoints", webhooks.create_endpoint),
    ("GET", "/webhook_endpoints", webhooks.list_endpoints),
    ("GET", "/webhook_endpoints/callback_secret", webhooks.callback_secret),
    ("GET", "/webhook_endpoints/{id}", webhooks.get_endpoint),
    ("POST", "/webhook_endpoints/{id}", webhooks.change_endpoint),
    ("DELETE", "/webhook_endpoints/{id}", webhooks.delete_endpoint),
    ("POST", "/webhook_endpoints/{id}/rotate_secret", webhooks.rotate_secret),
    ("POST", "/webhook_endpoints/{id}/test", webhooks.test_endpoint),
    ("GET", "/webhook_endpoints/{id}/deliveries", webhooks.list_deliveries),
    ("POST", "/webhook_endpoints/{id}/deliveries/{delivery}/redeliver", webhooks.redeliver),
)


def add_routes(app: web.Application) -> None:
    for prefix in PREFIXES:
        for method, path, handler in _TABLE:
            app.router.add_route(method, prefix + path, keyed(handler))
            if method == "GET" and path.endswith("/content"):
                app.router.add_route("HEAD", prefix + path, keyed(handler))
    app.on_response_prepare.append(mark)
    app.on_response_prepare.append(time_reply)
    app.router.add_get(PREFIX + "/{token}/{file}", videos.link)
