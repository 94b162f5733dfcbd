"""Traces, as a collector gets them from a real server over OTLP."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from rig import Rig
from traces.receivers import Collector, Relay

pytestmark = pytest.mark.slow

CLIENT_TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT_SPAN = "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"}
BODY = {"model": "sora-video", "prompt": "a heron", "size": "160x96", "seconds": 1}


class Traced:
    """A server whose traces are collected, and the job that it did for a client with a trace of its own."""

    def __init__(self, stack: ExitStack, rig: Rig, *options: str) -> None:
        self.collector = stack.enter_context(Collector())
        stack.callback(rig.close)
        rig.start_sandbox("--delay", "0.2")
        self.relay = stack.enter_context(Relay(rig.sandbox.url))
        rig.connect("--set", "dialect=sandbox", base_url=f"{self.relay.url}/v1")
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        rig.start_server(*options, environment=environment)
        made = rig.http.post("/v1/videos", json=BODY, headers=TRACEPARENT)
        self.request_id = made.headers["x-request-id"]
        self.job = made.json()["id"]
        assert rig.ended(self.job)["status"] == "completed"
        assert rig.server.stop() == 0
        self.said = rig.log


def attributes(span) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    with ExitStack() as stack:
        yield Traced(stack, Rig(tmp_path_factory.mktemp("traced")))


def test_a_request_is_a_span_within_the_clients_trace(traced):
    (span,) = traced.collector.named("POST /v1/videos")

    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (CLIENT_TRACE, CLIENT_SPAN)
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.route": "/v1/videos",
        "http.response.status_code": 200,
        "sora2api.request": traced.request_id,
    }


def test_a_job_has_a_trace_of_its_own_that_is_linked_to_its_request(traced):
    (request,) = traced.collector.named("POST /v1/videos")
    (job,) = traced.collector.named("job video")

    assert [(link.trace_id, link.span_id) for link in job.links] == [(request.trace_id, request.span_id)]
    assert (job.parent_span_id, job.trace_id != request.trace_id) == (b"", True)
    assert attributes(job)["sora2api.job"] == traced.job
    assert attributes(job)["sora2api.status"] == "completed"
    assert job.end_time_unix_nano - job.start_time_unix_nano > 0.2e9


def test_tasks_and_calls_to_engines_are_spans_of_their_job(traced):
    (job,) = traced.collector.named("job video")
    within = [span for span in traced.collector.spans if span.parent_span_id == job.span_id]

    (task,) = [span for span in within if span.name.startswith("task ")]
    submit = next(span for span in within if span.name == "POST")
    assert attributes(task)["sora2api.make"] == "clip"
    assert job.start_time_unix_nano <= task.start_time_unix_nano <= task.end_time_unix_nano <= job.end_time_unix_nano
    assert attributes(submit)["url.full"] == f"{traced.relay.url}/v1/videos"
    assert attributes(submit)["http.response.status_code"] == 200
    assert attributes(submit)["sora2api.proxy"] == "direct"
    polls = [span for span in traced.collector.named("GET") if span.trace_id != job.trace_id]
    assert polls  # one for all tasks is no job's


def test_the_server_says_what_it_is(traced):
    assert traced.collector.paths == {"/v1/traces"}
    assert {resource["service.name"] for resource in traced.collector.resources} == {"sora2api"}


def test_engines_are_told_nothing_of_traces(traced):
    assert len(traced.relay.headers) > 3
    assert [headers for headers in traced.relay.headers if "traceparent" in headers] == []


def test_engines_are_told_of_the_jobs_trace_where_that_is_wanted(tmp_path):
    with ExitStack() as stack:
        traced = Traced(stack, Rig(tmp_path), "--trace-engines")

    (job,) = traced.collector.named("job video")
    told = {headers.get("traceparent", "").rpartition("-")[0] for headers in traced.relay.headers}
    assert f"00-{job.trace_id.hex()}-{job.span_id.hex()}" in told


def test_a_collector_that_is_gone_holds_up_no_stop(tmp_path):
    rig = Rig(tmp_path)
    try:
        rig.start_sandbox()
        rig.connect("--set", "dialect=sandbox")
        rig.start_server(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
        assert rig.get("/v1/models").status_code == 200
        began = time.monotonic()
        assert rig.server.stop() == 0
        assert time.monotonic() - began < 20
    finally:
        rig.close()


def said(code: str, **environment: str) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=plain | environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout + done.stderr


LOADED = "import sys, sora2api.app; print([name for name in sys.modules if name.startswith('opentelemetry')])"
OPENED = "from sora2api.observe.tracing import open_traces; print(open_traces())"
MISSING = f"import sys; sys.modules['opentelemetry'] = None; {OPENED}"
WANTED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


def test_nothing_of_opentelemetry_is_loaded_where_no_traces_are_wanted():
    assert said(LOADED).strip() == "[]"
    assert said(OPENED).strip() == "None"
    assert said(OPENED, **WANTED, OTEL_TRACES_EXPORTER="none").strip() == "None"


def test_without_the_extra_a_server_says_that_it_makes_no_traces():
    assert "sora2api[otel] is not installed" in said(MISSING, **WANTED)
