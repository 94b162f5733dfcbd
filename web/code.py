"""A request of the studio as the code that a client would write for it: curl, Python and Node, by OpenAI's SDKs.

The key is read from the environment, `SORA2API_KEY`. Which API is asked goes by what is given: pictures by the Images
API; a video, with or without a first frame, and a remix by the Videos API; what comes with more files by a chat.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from sora2api.modes import SHARE_ID, Kind

_KEY: Final = '-H "Authorization: Bearer $SORA2API_KEY"'
_JSON: Final = '-H "Content-Type: application/json"'
_WAIT: Final = '-H "Prefer: wait=600"'


class Call(Struct, frozen=True, kw_only=True):
    """What is asked for; *images* and *videos* are names of files, *base* is what the API's addresses begin with."""

    base: str
    makes: Kind
    model: str
    prompt: str
    size: str | None = None
    seconds: float | None = None
    n: int = 1
    source: str | None = None
    images: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()


class Snippet(Struct, frozen=True):
    language: str
    text: str


def snippets(call: Call) -> tuple[Snippet, ...]:
    curl, python, node = _writers(call)
    return Snippet("curl", curl(call)), Snippet("Python", python(call)), Snippet("Node", node(call))


_Writer = Callable[[Call], str]


def _writers(call: Call) -> tuple[_Writer, _Writer, _Writer]:
    if call.videos or (call.makes == "video" and len(call.images) > 1):
        return _curl_chat, _python_chat, _node_chat
    if call.makes == "image":
        return _curl_image, _python_image, _node_image
    if call.source is not None and SHARE_ID.fullmatch(call.source) is None:
        return _curl_remix, _python_remix, _node_remix
    return _curl_video, _python_video, _node_video


# Fields.


def _form(call: Call) -> dict[str, Any]:
    seconds = None if call.seconds is None else f"{call.seconds:g}"
    return {name: value for name, value in (("size", call.size), ("seconds", seconds)) if value is not None}


def _video_fields(call: Call) -> dict[str, Any]:
    """A video that others share is remixed by its share id in the prompt."""
    prompt = call.prompt if call.source is None else f"{call.source} {call.prompt}"
    return {"model": call.model, "prompt": prompt, **_form(call)}


def _image_fields(call: Call) -> dict[str, Any]:
    size = {} if call.size is None else {"size": call.size}
    return {"model": call.model, "prompt": call.prompt, **size, "n": call.n, "response_format": "url"}


def _parts(call: Call, address: Callable[[str], Any]) -> list[dict[str, Any]]:
    """The content of a chat message; *address* gives the URL of a file."""
    return [
        {"type": "text", "text": call.prompt},
        *({"type": "image_url", "image_url": {"url": address(name)}} for name in call.images),
        *({"type": "video_url", "video_url": {"url": address(name)}} for name in call.videos),
    ]


# curl.


def _curl_json(url: str, fields: Mapping[str, Any], *headers: str) -> str:
    body = shlex.quote(json.dumps(fields, ensure_ascii=False))
    return _lines(f"curl {url}", _KEY, _JSON, *headers, f"-d {body}")


def _curl_form(url: str, fields: Mapping[str, Any], files: Iterable[tuple[str, str]], *headers: str) -> str:
    texts = (f"--form-string {shlex.quote(f'{name}={value}')}" for name, value in fields.items())
    sent = (f"-F {shlex.quote(f'{name}=@{_quoted(file)}')}" for name, file in files)
    return _lines(f"curl {url}", _KEY, *headers, *texts, *sent)


def _quoted(file: str) -> str:
    """A file's name in curl's own quotes, in which a comma or semicolon is none of its signs."""
    escaped = file.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _lines(*parts: str) -> str:
    return " \\\n  ".join(parts)


def _curl_image(call: Call) -> str:
    if not call.images:
        return _curl_json(f"{call.base}/v1/images/generations", _image_fields(call))
    files = [("image[]", name) for name in call.images]
    return _curl_form(f"{call.base}/v1/images/edits", _image_fields(call), files)


def _curl_video(call: Call) -> str:
    url = f"{call.base}/v1/videos"
    if not call.images:
        return _curl_json(url, _video_fields(call), _WAIT)
    return _curl_form(url, _video_fields(call), [("input_reference", call.images[0])], _WAIT)


def _curl_remix(call: Call) -> str:
    fields = {"prompt": call.prompt, "model": call.model, **_form(call)}
    return _curl_json(f"{call.base}/v1/videos/{call.source}/remix", fields, _WAIT)


def _curl_chat(call: Call) -> str:
    """Files come as base64 that the shell puts in: the text around it is what a here-document takes as it is."""
    names = {f"file-{number}:": name for number, name in enumerate((*call.images, *call.videos))}
    marks = {name: mark for mark, name in names.items()}
    fields = {
        "model": call.model,
        "messages": [{"role": "user", "content": _parts(call, marks.__getitem__)}],
        **_form(call),
    }
    body = json.dumps(fields, ensure_ascii=False, indent=2)
    for sign in "\\$`":
        body = body.replace(sign, f"\\{sign}")
    for mark, name in names.items():
        file = shlex.quote(name)
        data = f"data:$(file -b --mime-type {file});base64,$(base64 -w0 {file})"
        body = body.replace(f'"url": "{mark}"', f'"url": "{data}"')
    return f"{_lines(f'curl {call.base}/v1/chat/completions', _KEY, _JSON, '-d @-')} <<JSON\n{body}\nJSON"


# Python.


def _python(call: Call, *lines: str, imports: Sequence[str] = ()) -> str:
    top = "\n".join(("import os", *imports))
    client = f'client = OpenAI(base_url="{call.base}/v1", api_key=os.environ["SORA2API_KEY"])'
    return "\n".join((*top.splitlines(), "", "from openai import OpenAI", "", client, *lines))


def _arguments(fields: Mapping[str, Any], *more: str) -> str:
    given = [f"    {name}={json.dumps(value, ensure_ascii=False)}," for name, value in fields.items()]
    return "\n".join((*given, *(f"    {argument}," for argument in more)))


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _python_image(call: Call) -> str:
    opened = ", ".join(f'open({_text(name)}, "rb")' for name in call.images)
    method, more = ("edit", (f"image=[{opened}]",)) if call.images else ("generate", ())
    return _python(
        call,
        f"images = client.images.{method}(\n{_arguments(_image_fields(call), *more)}\n)",
        "for image in images.data:",
        "    print(image.url)",
    )


_PYTHON_SAVED: Final = (
    'client.videos.download_content(video.id).write_to_file("video.mp4")',
    "print(video.id, video.status)",
)


def _python_video(call: Call) -> str:
    more = tuple(f'input_reference=open({_text(name)}, "rb")' for name in call.images)
    made = f"video = client.videos.create_and_poll(\n{_arguments(_video_fields(call), *more)}\n)"
    return _python(call, made, *_PYTHON_SAVED)


def _python_remix(call: Call) -> str:
    beside = f"extra_body={json.dumps({'model': call.model, **_form(call)})}"
    asked = _arguments({"prompt": call.prompt}, beside)
    made = f"video = client.videos.remix(\n    {_text(call.source or '')},\n{asked}\n)"
    return _python(call, made, "video = client.videos.poll(video.id)", *_PYTHON_SAVED)


def _python_chat(call: Call) -> str:
    function = (
        "",
        "",
        "def data_url(name):",
        "    data = base64.b64encode(Path(name).read_bytes()).decode()",
        '    return f"data:{mimetypes.guess_type(name)[0]};base64,{data}"',
        "",
        "",
    )
    parts = _called(_parts(call, _Called), "data_url")
    form = _form(call)
    beside = (f"extra_body={json.dumps(form)}",) if form else ()
    asked = _arguments({"model": call.model}, f'messages=[{{"role": "user", "content": {parts}}}]', *beside)
    return _python(
        call,
        *function,
        f"reply = client.chat.completions.create(\n{asked}\n)",
        "print(reply.choices[0].message.content)",
        imports=("import base64", "import mimetypes", "from pathlib import Path"),
    )


class _Called(str):
    """A file's name that stands for a call with it."""

    __slots__ = ()


def _called(value: Any, function: str) -> str:
    """JSON, with each `_Called` as a call of the *function*."""
    match value:
        case _Called():
            return f"{function}({_text(str(value))})"
        case dict():
            return "{" + ", ".join(f"{_text(name)}: {_called(part, function)}" for name, part in value.items()) + "}"
        case list():
            return "[" + ", ".join(_called(part, function) for part in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


# Node.


def _node(call: Call, *lines: str, imports: Sequence[str] = ()) -> str:
    client = f'const client = new OpenAI({{ baseURL: "{call.base}/v1", apiKey: process.env.SORA2API_KEY }});'
    return "\n".join((*imports, 'import OpenAI from "openai";', "", client, *lines))


def _object(fields: Mapping[str, Any], *more: str) -> str:
    given = [f"  {name}: {json.dumps(value, ensure_ascii=False)}," for name, value in fields.items()]
    return "{\n" + "\n".join((*given, *(f"  {part}," for part in more))) + "\n}"


_FS: Final = 'import fs from "node:fs";'
_NODE_SAVED: Final = (
    "const answer = await client.videos.downloadContent(video.id);",
    'fs.writeFileSync("video.mp4", Buffer.from(await answer.arrayBuffer()));',
    "console.log(video.id, video.status);",
)


def _node_image(call: Call) -> str:
    opened = ", ".join(f"fs.createReadStream({_text(name)})" for name in call.images)
    method, more = ("edit", (f"image: [{opened}]",)) if call.images else ("generate", ())
    made = f"const images = await client.images.{method}({_object(_image_fields(call), *more)});"
    shown = "for (const image of images.data) console.log(image.url);"
    return _node(call, made, shown, imports=(_FS,) if call.images else ())


def _node_video(call: Call) -> str:
    more = tuple(f"input_reference: fs.createReadStream({_text(name)})" for name in call.images)
    made = f"const video = await client.videos.createAndPoll({_object(_video_fields(call), *more)});"
    return _node(call, made, *_NODE_SAVED, imports=(_FS,))


def _node_remix(call: Call) -> str:
    fields = {"prompt": call.prompt, "model": call.model, **_form(call)}
    return _node(
        call,
        f"let video = await client.videos.remix({_text(call.source or '')}, {_object(fields)});",
        "video = await client.videos.poll(video.id);",
        *_NODE_SAVED,
        imports=(_FS,),
    )


def _node_chat(call: Call) -> str:
    parts = _called(_parts(call, _Called), "dataUrl")
    types = json.dumps({"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "mp4": "video/mp4"})
    return _node(
        call,
        f"const types = {types};",
        "const dataUrl = (name) =>",
        '  `data:${types[name.split(".").pop()]};base64,${fs.readFileSync(name, "base64")}`;',
        "const reply = await client.chat.completions.create("
        + _object({"model": call.model}, f'messages: [{{ role: "user", content: {parts} }}]', *_pairs(_form(call)))
        + ");",
        "console.log(reply.choices[0].message.content);",
        imports=(_FS,),
    )


def _pairs(fields: Mapping[str, Any]) -> Sequence[str]:
    return [f"{name}: {_text(value)}" for name, value in fields.items()]
