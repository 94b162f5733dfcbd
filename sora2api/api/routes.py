"""The table of the API's paths, each under /v1 and, for code written for Azure, under /openai/v1."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from sora2api.api import characters, chat, docs, files, images, models, shapes, video_requests, videos, webhooks
from sora2api.api.limits import tell_limits
from sora2api.api.messages import Chat
from sora2api.api.middlewares import PREFIXES, keyed, mark, time_reply
from sora2api.api.openapi import EVENTS, MEDIA, Operation, document, joined
from sora2api.media.links import PREFIX

TABLE: Final = (
    Operation(
        "POST",
        "/chat/completions",
        chat.chat_completions,
        "Make what the last message asks for",
        shapes.ChatCompletion,
        Chat,
        headers=shapes.JobHeaders,
        streamed=True,
    ),
    Operation(
        "POST",
        "/images/generations",
        images.generate_images,
        "Make images",
        shapes.ImageReply,
        images.ImageRequest,
        headers=shapes.JobHeaders,
        streamed=True,
    ),
    Operation(
        "POST",
        "/images/edits",
        images.edit_images,
        "Make images of images",
        shapes.ImageReply,
        images.ImageRequest,
        files=("image", "image[]", "mask"),
        headers=shapes.JobHeaders,
        streamed=True,
    ),
    Operation(
        "POST", "/images/variations", images.vary_images, "Not supported: says what to ask instead", shapes.ImageReply
    ),
    Operation(
        "POST",
        "/files",
        files.create_file,
        "Upload an image or a video",
        shapes.File,
        files.FileCreate,
        files=("file",),
        json=False,
    ),
    Operation("GET", "/files", files.list_files, "List files", shapes.FileList, query=shapes.FileQuery),
    Operation("GET", "/files/{id}", files.get_file, "Get a file's facts", shapes.File),
    Operation("DELETE", "/files/{id}", files.delete_file, "Delete a file", shapes.Deleted),
    Operation("GET", "/files/{id}/content", files.file_content, "Get a file", MEDIA),
    Operation("GET", "/models", models.list_models, "List models", shapes.ModelList),
    Operation("GET", "/models/{id:.+}", models.get_model, "Get a model", shapes.Model),
    Operation(
        "POST",
        "/videos",
        video_requests.create_video,
        "Make a video",
        shapes.Video,
        video_requests.VideoCreate,
        files=("input_reference",),
        headers=shapes.WaitHeaders,
    ),
    Operation("GET", "/videos", videos.list_videos, "List videos", shapes.VideoList, query=shapes.VideoQuery),
    Operation(
        "POST",
        "/videos/edits",
        video_requests.edit_video,
        "Change a video, made here or sent",
        shapes.Video,
        video_requests.VideoChange,
        files=("video",),
        headers=shapes.WaitHeaders,
    ),
    Operation(
        "POST",
        "/videos/extensions",
        video_requests.extend_video,
        "Let a video go on, made here or sent",
        shapes.Video,
        video_requests.VideoChange,
        files=("video",),
        headers=shapes.WaitHeaders,
    ),
    Operation(
        "POST",
        "/videos/characters",
        characters.create_character,
        "Make a character of a video",
        shapes.Character,
        characters.CharacterCreate,
        files=("video",),
        headers=shapes.JobHeaders,
    ),
    Operation(
        "GET",
        "/videos/characters",
        characters.list_characters,
        "List characters",
        shapes.CharacterList,
        query=shapes.PageQuery,
    ),
    Operation("GET", "/videos/characters/{id}", characters.get_character, "Get a character", shapes.Character),
    Operation("DELETE", "/videos/characters/{id}", characters.delete_character, "Delete a character", shapes.Deleted),
    Operation("GET", "/videos/{id}", videos.get_video, "Get a video's state", shapes.Video),
    Operation("DELETE", "/videos/{id}", videos.delete_video, "Delete a video, cancelled if need be", shapes.Deleted),
    Operation(
        "GET",
        "/videos/{id}/content",
        videos.video_content,
        "Get the file of a video, its thumbnail or its spritesheet",
        MEDIA,
        query=shapes.ContentQuery,
    ),
    Operation(
        "GET",
        "/videos/{id}/events",
        videos.video_events,
        "Follow what happens, better than asking again and again",
        EVENTS,
        query=shapes.EventsQuery,
    ),
    Operation(
        "POST",
        "/videos/{id}/remix",
        video_requests.remix_video,
        "Make a video anew, with a change",
        shapes.Video,
        video_requests.VideoChange,
        headers=shapes.WaitHeaders,
    ),
    Operation("POST", "/videos/{id}/cancel", videos.cancel_video, "Cancel a video", shapes.Video),
    Operation(
        "GET", "/webhook_event_types", webhooks.list_event_types, "List what webhooks can tell", shapes.EventTypes
    ),
    Operation(
        "POST",
        "/webhook_endpoints",
        webhooks.create_endpoint,
        "Create a webhook endpoint",
        shapes.WebhookEndpointWithSecret,
        webhooks.EndpointCreate,
    ),
    Operation(
        "GET",
        "/webhook_endpoints",
        webhooks.list_endpoints,
        "List webhook endpoints",
        shapes.WebhookEndpointList,
        query=shapes.PageQuery,
    ),
    Operation(
        "GET",
        "/webhook_endpoints/callback_secret",
        webhooks.callback_secret,
        "Get the secret of `callback_url`s",
        shapes.CallbackSecret,
    ),
    Operation(
        "GET", "/webhook_endpoints/{id}", webhooks.get_endpoint, "Get a webhook endpoint", shapes.WebhookEndpoint
    ),
    Operation(
        "POST",
        "/webhook_endpoints/{id}",
        webhooks.change_endpoint,
        "Change a webhook endpoint",
        shapes.WebhookEndpoint,
        webhooks.EndpointChange,
    ),
    Operation(
        "DELETE", "/webhook_endpoints/{id}", webhooks.delete_endpoint, "Delete a webhook endpoint", shapes.Deleted
    ),
    Operation(
        "POST",
        "/webhook_endpoints/{id}/rotate_secret",
        webhooks.rotate_secret,
        "Give a webhook endpoint a new secret",
        shapes.WebhookEndpointWithSecret,
        webhooks.SecretRotation,
    ),
    Operation(
        "POST",
        "/webhook_endpoints/{id}/test",
        webhooks.test_endpoint,
        "Send a sample to a webhook endpoint",
        shapes.WebhookTest,
        webhooks.EndpointTest,
    ),
    Operation(
        "GET",
        "/webhook_endpoints/{id}/deliveries",
        webhooks.list_deliveries,
        "List what was sent to a webhook endpoint",
        shapes.WebhookDeliveryList,
        query=shapes.PageQuery,
    ),
    Operation(
        "POST",
        "/webhook_endpoints/{id}/deliveries/{delivery}/redeliver",
        webhooks.redeliver,
        "Send a delivery again",
        shapes.WebhookDelivery,
    ),
)


def add_routes(app: web.Application, *, also: Callable[[], Mapping[str, Any]]) -> None:
    """*also* gives the paths that the document tells of beside the API's own, and their components."""
    for prefix in PREFIXES:
        for operation in TABLE:
            for method in operation.methods:
                app.router.add_route(method, prefix + operation.path, keyed(operation.handler))
    app.on_response_prepare.append(mark)
    app.on_response_prepare.append(tell_limits)
    app.on_response_prepare.append(time_reply)
    app.router.add_get(PREFIX + "/{token}/{file}", videos.link)
    docs.add_routes(app, lambda: joined(document(TABLE, prefix=PREFIXES[0]), also()))
