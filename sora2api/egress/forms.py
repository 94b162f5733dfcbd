"""Multipart bodies as the OpenAI SDKs send them, with files read from disk while they are sent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import MultipartWriter, hdrs
from msgspec import Struct


class FormField(Struct, frozen=True):
    """One part: a text, or the file at a path with its name and type."""

    name: str
    value: str | Path
    filename: str | None = None
    content_type: str = "application/octet-stream"


@asynccontextmanager
async def multipart(fields: Sequence[FormField]) -> AsyncIterator[MultipartWriter]:
    """Make a body of the *fields*, in their order; its files are open as long as the context is."""
    with ExitStack() as files:
        writer = MultipartWriter("form-data")
        for field in fields:
            if isinstance(field.value, str):
                part = writer.append(field.value)
                # The SDKs send texts without a type, and some servers take a typed part for a file.
                del part.headers[hdrs.CONTENT_TYPE]
                part.set_content_disposition("form-data", quote_fields=False, name=field.name)
            else:
                file = files.enter_context(await asyncio.to_thread(field.value.open, "rb"))
                part = writer.append(file, {hdrs.CONTENT_TYPE: field.content_type})
                part.set_content_disposition(
                    "form-data",
                    quote_fields=False,
                    name=field.name,
                    filename=field.filename or field.value.name,
                )
        yield writer
