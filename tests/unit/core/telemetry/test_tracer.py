"""Traces: when they are on, what is whose parent, and what comes from outside."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from vpsops.core.telemetry.opentelemetry_tracer import OpenTelemetryTracer
from vpsops.core.telemetry.telemetry import exporter_of, problem_of
from vpsops.core.telemetry.tracer import (
    NEW_TRACE,
    NO_TRACER,
    SpanRole,
    is_traceparent,
    trace_id_of,
    traceparent_from,
)

pytestmark = pytest.mark.real_time  # the SDK stamps its spans
ELSEWHERE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


class Recorder:
    """A tracer, and the spans that ended."""

    def __init__(self) -> None:
        provider, self.exporter = TracerProvider(), InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = OpenTelemetryTracer(provider)

    def span(self, name: str) -> ReadableSpan:
        """Return the span of a name."""
        return next(span for span in self.exporter.get_finished_spans() if span.name == name)


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Return a span's trace id, and the id of its parent."""
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{span.parent.span_id:016x}" if span.parent else ""


@pytest.mark.parametrize(
    ("environ", "exporter"),
    [
        ({}, "none"),
        ({"OTEL_SERVICE_NAME": "ops"}, "none"),
        (ENDPOINT, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, "none"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "Console"}, "console"),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, "none"),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, "none"),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, "otlp"),
    ],
)
def test_traces_are_on_only_where_asked_for(environ: Mapping[str, str], exporter: str) -> None:
    assert exporter_of(environ) == exporter


@pytest.mark.parametrize(
    ("exporter", "environ", "words"),
    [
        ("otlp", {}, ""),
        ("otlp", {"OTEL_EXPORTER_OTLP_PROTOCOL": "HTTP/protobuf"}, ""),
        ("otlp", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        (
            "otlp",
            {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ),
        ("console", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ""),
        ("zipkin", {}, "OTEL_TRACES_EXPORTER"),
    ],
)
def test_what_cannot_be_exported_is_named(exporter: str, environ: Mapping[str, str], words: str) -> None:
    problem = problem_of(exporter, environ)
    assert words in problem
    assert bool(problem) is bool(words)


def test_spans_nest_and_follow_the_context_that_they_are_given() -> None:
    """Within a block the open span is the parent; a stored context is one across processes."""
    recorder = Recorder()
    with recorder.tracer.span("outer", SpanRole.SERVER, parent=ELSEWHERE), recorder.tracer.span("inner"):
        assert trace_id_of(recorder.tracer.current()) == trace_id_of(ELSEWHERE)
    outer, inner = recorder.span("outer"), recorder.span("inner")
    assert ids(outer) == (trace_id_of(ELSEWHERE), "b7ad6b7169203331")
    assert ids(inner)[0] == trace_id_of(ELSEWHERE)
    assert outer.context is not None
    assert ids(inner)[1] == f"{outer.context.span_id:016x}"
    assert recorder.tracer.current() == ""


def test_a_new_trace_begins_whatever_is_open() -> None:
    recorder = Recorder()
    with recorder.tracer.span("outer"), recorder.tracer.span("apart", parent=NEW_TRACE, links=[ELSEWHERE, "junk"]):
        pass
    outer, apart = recorder.span("outer"), recorder.span("apart")
    assert ids(apart)[0] not in {ids(outer)[0], trace_id_of(ELSEWHERE)}
    assert ids(apart)[1] == ""
    assert [f"{link.context.trace_id:032x}" for link in apart.links] == [trace_id_of(ELSEWHERE)]


async def test_a_task_that_outlives_a_span_makes_no_children_of_it() -> None:
    """A loop that a request started goes on in traces of its own."""
    import anyio  # noqa: PLC0415

    recorder, ended = Recorder(), anyio.Event()

    async def work() -> None:
        await ended.wait()
        with recorder.tracer.span("later"):
            pass

    async with anyio.create_task_group() as group:
        with recorder.tracer.span("request"):
            group.start_soon(work)
        ended.set()
    assert ids(recorder.span("later"))[1] == ""
    assert ids(recorder.span("later"))[0] != ids(recorder.span("request"))[0]


def test_an_error_is_named_by_its_type_alone() -> None:
    """Its words may be from outside."""
    recorder = Recorder()
    with pytest.raises(ValueError, match="secret"), recorder.tracer.span("broken"):
        raise ValueError("a secret of somewhere else")
    span = recorder.span("broken")
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert not span.status.is_ok
    assert span.status.description is None
    assert not span.events


def test_a_period_is_recorded_as_it_was() -> None:
    """The time that a change was held is a span, though no process had it open; a clock set back ends it at once."""
    recorder, begun = Recorder(), datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    recorder.tracer.record("held", (begun, begun + timedelta(hours=1)), {}, parent=ELSEWHERE, link=ELSEWHERE)
    recorder.tracer.record("back", (begun, begun - timedelta(hours=1)), {}, parent=ELSEWHERE)
    held, back = recorder.span("held"), recorder.span("back")
    assert (held.end_time or 0) - (held.start_time or 0) == 3600 * 10**9
    assert back.start_time == back.end_time
    assert len(held.links) == 1


def test_a_change_without_a_trace_has_the_same_one_everywhere() -> None:
    assert traceparent_from("chg_1") == traceparent_from("chg_1") != traceparent_from("chg_2")
    assert is_traceparent(traceparent_from("chg_1"))


@pytest.mark.parametrize(
    "text", ["", "junk", ELSEWHERE.upper(), f"{ELSEWHERE}-x", f"ff{ELSEWHERE[2:]}", f"00-{'0' * 32}-{'1' * 16}-01"]
)
def test_what_is_no_traceparent_is_none(text: str) -> None:
    assert not is_traceparent(text)
    assert trace_id_of(text) == ""


def test_without_a_tracer_a_block_just_runs() -> None:
    with NO_TRACER.span("nothing") as span:
        span.set("a", 1)
        span.fail("b")
    assert NO_TRACER.current() == ""
