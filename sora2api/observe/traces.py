"""Traces for OpenTelemetry, by OTLP over HTTP: spans of requests, of jobs with their tasks, and of calls to engines.

It needs the extra `sora2api[otel]`, and is imported only where traces are wanted.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Final

import aiohttp
from aiohttp import web
from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sora2api import __version__
from sora2api.egress.trace import JOB, Call
from sora2api.observe.cut import text
from sora2api.observe.requests import REQUEST_ID
from sora2api.observe.tracing import Piece, Value

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_W3C: Final = TraceContextTextMapPropagator()


class Traces:
    """Makes spans, and sends them from a thread of its own."""

    def __init__(self) -> None:
        told: dict[str, Value] = {"service.version": __version__}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            told["service.name"] = "sora2api"
        self._provider = TracerProvider(resource=Resource.create(told), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("sora2api", __version__)
        self._jobs: dict[str, Span] = {}

    def close(self) -> None:
        """End the spans of jobs that the next start goes on with, and send what is left; blocking."""
        for span in self._jobs.values():
            span.set_attribute("sora2api.left", True)
            span.end()
        self._provider.shutdown()

    # Requests.

    @web.middleware
    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Make a span of the request, within the trace that its client is in, if it says so."""
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        span = self._tracer.start_span(
            f"{request.method} {route}",
            context=_W3C.extract(request.headers, context=Context()),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": request.method, "http.route": route},
        )
        token = context.attach(set_span_in_context(span, Context()))
        try:
            response = await handler(request)
            _answered(span, response.status)
        except web.HTTPException as error:
            _answered(span, error.status)
            raise
        else:
            return response
        finally:
            span.set_attribute("sora2api.request", request.get(REQUEST_ID, ""))
            context.detach(token)
            span.end()

    # Jobs.

    def job_taken(self, job_id: str, *, mode: str, model: str, at: float) -> None:
        """A job begins. It outlives the request that made it, so it has a trace of its own, linked to that."""
        made_by = get_current_span().get_span_context()
        self._jobs[job_id] = self._tracer.start_span(
            f"job {mode}",
            context=Context(),
            links=[Link(made_by)] if made_by.is_valid else [],
            start_time=_nanoseconds(at),
            attributes={"sora2api.job": job_id, "sora2api.mode": mode, "sora2api.model": model},
        )

    def job_ended(self, job_id: str, *, status: str, code: str | None, pieces: Sequence[Piece]) -> None:
        """A job is over, with what was done for it."""
        span = self._jobs.pop(job_id)
        within = set_span_in_context(span, Context())
        for piece in pieces:
            self._past(piece, within, kind=SpanKind.INTERNAL)
        span.set_attribute("sora2api.status", status)
        _failed(span, code)
        span.end()

    # Calls to engines.

    def called(self, call: Call) -> None:
        """A call to an engine is over (`sora2api.egress.trace.Trace`)."""
        facts: dict[str, Value] = {
            "http.request.method": call.method,
            "url.full": text(call.url),
            "sora2api.account": call.account_id,
            "sora2api.proxy": call.proxy or "direct",
        }
        if call.status is not None:
            facts["http.response.status_code"] = call.status
        piece = Piece(name=call.method, begun=call.at, ended=call.at + call.took, code=call.code, facts=facts)
        self._past(piece, self._around(call.job_id), kind=SpanKind.CLIENT)

    def carry(self) -> aiohttp.TraceConfig:
        """What has an aiohttp session say, in each call, which trace it belongs to."""

        async def say(
            _session: aiohttp.ClientSession, _context: SimpleNamespace, call: aiohttp.TraceRequestStartParams
        ) -> None:
            _W3C.inject(call.headers, context=self._around(JOB.get()))

        config = aiohttp.TraceConfig()
        config.on_request_start.append(say)
        return config

    def _around(self, job_id: str | None) -> Context:
        """The span of the job, else that of what is served now, if anything is."""
        job = None if job_id is None else self._jobs.get(job_id)
        return context.get_current() if job is None else set_span_in_context(job, Context())

    def _past(self, piece: Piece, within: Context, *, kind: SpanKind) -> None:
        """Make a span of what is over."""
        begun = _nanoseconds(piece.begun)
        span = self._tracer.start_span(
            piece.name, context=within, kind=kind, attributes=dict(piece.facts), start_time=begun
        )
        _failed(span, piece.code)
        span.end(_nanoseconds(piece.ended))


def _answered(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))


def _failed(span: Span, code: str | None) -> None:
    if code is not None:
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
