"""The tracer that OpenTelemetry's SDK makes, with a provider of its own: nothing global is set.

Sampler, limits, resource, exporter and its batches follow the SDK's OTEL_* variables.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan

from vpsops.core.telemetry.tracer import NO_ATTRIBUTES, TRACEPARENT, Attributes, Span, SpanRole

NAME: Final = "vpsops"
KINDS: Final = {
    SpanRole.INTERNAL: SpanKind.INTERNAL,
    SpanRole.SERVER: SpanKind.SERVER,
    SpanRole.CLIENT: SpanKind.CLIENT,
    SpanRole.CONSUMER: SpanKind.CONSUMER,
}


def open_tracer(exporter: str) -> "OpenTelemetryTracer":
    """Return a tracer with an exporter, `otlp` or `console`; the latter writes to standard error."""
    own = Resource({SERVICE_NAME: NAME, SERVICE_VERSION: version(NAME)})
    provider = TracerProvider(resource=Resource.create().merge(own).merge(OTELResourceDetector().detect()))
    if exporter == "console":
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
    else:
        provider.add_span_processor(BatchSpanProcessor(_otlp_exporter()))
    return OpenTelemetryTracer(provider)


def _otlp_exporter() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - not for the console
        OTLPSpanExporter,
    )

    return OTLPSpanExporter()


@dataclass(slots=True)
class OpenSpan:
    """A span of this process; a task that outlives it makes no children of it."""

    span: SdkSpan
    is_open: bool = True

    def set(self, name: str, value: str | int | bool) -> None:
        """Set an attribute."""
        self.span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        """Mark the span as failed."""
        self.span.set_attribute("error.type", kind)
        self.span.set_status(StatusCode.ERROR)


class OpenTelemetryTracer:
    """Spans by a tracer provider of the SDK.

    The open span is kept apart from OpenTelemetry's own context, which the MCP SDK fills with what clients send.
    """

    is_enabled = True

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME, version(NAME))
        self._open: ContextVar[OpenSpan | None] = ContextVar("vpsops_open_span", default=None)

    def current(self) -> str:
        """Return the traceparent of the open span, or an empty string."""
        around = self._around()
        return "" if around is None else _traceparent(around.span.get_span_context())

    @contextmanager
    def span(
        self,
        name: str,
        role: SpanRole = SpanRole.INTERNAL,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        parent: str | None = None,
        links: Sequence[str] = (),
    ) -> Iterator[Span]:
        """Open a span for a block."""
        span = self._tracer.start_span(
            name, self._context(parent), KINDS[role], dict(attributes), [Link(link) for link in _contexts(links)]
        )
        opened = OpenSpan(span)
        token = self._open.set(opened)
        try:
            yield opened
        except BaseException as error:
            opened.fail(type(error).__name__)  # its words may be from outside
            raise
        finally:
            self._open.reset(token)
            opened.is_open = False
            span.end()

    def record(
        self, name: str, period: tuple[datetime, datetime], attributes: Attributes, *, parent: str, link: str = ""
    ) -> None:
        """Record a span that is over."""
        links = [Link(context) for context in _contexts([link])]
        begun, ended = (_nanoseconds(moment) for moment in period)
        span = self._tracer.start_span(
            name, self._context(parent), SpanKind.INTERNAL, dict(attributes), links, start_time=begun
        )
        span.end(max(begun, ended))

    def close(self) -> None:
        """Send what was recorded."""
        self._provider.shutdown()

    def _around(self) -> OpenSpan | None:
        around = self._open.get()
        return around if around is not None and around.is_open else None

    def _context(self, parent: str | None) -> Context:
        if parent is None:
            around = self._around()
            return Context() if around is None else set_span_in_context(around.span, Context())
        contexts = _contexts([parent])
        return set_span_in_context(NonRecordingSpan(contexts[0]), Context()) if contexts else Context()


def _contexts(traceparents: Sequence[str]) -> list[SpanContext]:
    matches = [TRACEPARENT.fullmatch(text) for text in traceparents]
    return [
        SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16)))
        for match in matches
        if match
    ]


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
