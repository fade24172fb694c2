"""Spans of a process, and the trace context of a change, in the words of W3C Trace Context.

The parent of a span is the span that is open around it in this process, or the context that it is given. A context
that came from outside is never a parent, only a link: it would choose our trace ids and what is sampled.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

Attributes = Mapping[str, str | int | bool]
NO_ATTRIBUTES: Final[Attributes] = {}
NEW_TRACE: Final = ""
"""As a parent: none, whatever is open."""
TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class SpanRole(StrEnum):
    """The kinds of spans, as in OpenTelemetry."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    CONSUMER = "consumer"


class Span(Protocol):
    """A span that is open."""

    def set(self, name: str, value: str | int | bool) -> None:
        """Set an attribute."""

    def fail(self, kind: str) -> None:
        """Mark the span as failed; `kind` is of a closed list."""


class Tracer(Protocol):
    """Makes the spans of one composition of a process."""

    @property
    def is_enabled(self) -> bool:
        """Return whether spans are recorded."""

    def current(self) -> str:
        """Return the traceparent of the open span, or an empty string."""

    def span(
        self,
        name: str,
        role: SpanRole = SpanRole.INTERNAL,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        parent: str | None = None,
        links: Sequence[str] = (),
    ) -> AbstractContextManager[Span]:
        """Open a span for a block; an exception that ends the block fails it. Malformed links are left out."""

    def record(
        self, name: str, period: tuple[datetime, datetime], attributes: Attributes, *, parent: str, link: str = ""
    ) -> None:
        """Record a span that is over."""

    def close(self) -> None:
        """Send what was recorded, within a bounded time; call it on a worker thread."""


class NoSpan:
    """A span that records nothing."""

    __slots__ = ()

    def set(self, name: str, value: str | int | bool) -> None:
        """Do nothing."""

    def fail(self, kind: str) -> None:
        """Do nothing."""


NO_SPAN: Final = NoSpan()


class NoTracer:
    """A tracer that records nothing."""

    __slots__ = ()
    is_enabled = False

    def current(self) -> str:
        """Return an empty string."""
        return ""

    @contextmanager
    def span(
        self,
        name: str,  # noqa: ARG002 - the protocol's
        role: SpanRole = SpanRole.INTERNAL,  # noqa: ARG002
        attributes: Attributes = NO_ATTRIBUTES,  # noqa: ARG002
        *,
        parent: str | None = None,  # noqa: ARG002
        links: Sequence[str] = (),  # noqa: ARG002
    ) -> Iterator[Span]:
        """Run the block."""
        yield NO_SPAN

    def record(
        self, name: str, period: tuple[datetime, datetime], attributes: Attributes, *, parent: str, link: str = ""
    ) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


NO_TRACER: Final = NoTracer()


def is_traceparent(text: str) -> bool:
    """Return whether a text is a traceparent of version 00."""
    return TRACEPARENT.fullmatch(text) is not None


def trace_id_of(traceparent: str) -> str:
    """Return the trace id of a traceparent, or an empty string."""
    match = TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else ""


def traceparent_from(change_id: str) -> str:
    """Return the context of a change that was requested in a process without traces: the same in every process."""
    digest = hashlib.sha256(change_id.encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-01"
