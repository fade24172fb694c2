"""The meter and the tracer of one process, and the tracer that its environment asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final

import structlog

from vpsops.core.telemetry.meter import MetricMeter
from vpsops.core.telemetry.tracer import NO_TRACER, Tracer

PROTOCOL: Final = "http/protobuf"
SDK: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTERS: Final = frozenset({"otlp", "console", "none"})

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What is handed to whatever is counted or traced."""

    meter: MetricMeter = field(default_factory=MetricMeter)
    tracer: Tracer = NO_TRACER


NO_TELEMETRY: Final = Telemetry()
"""For what is neither counted nor traced; its meter is never enabled."""


def exporter_of(environ: Mapping[str, str]) -> str:
    """Return the exporter that OTEL_* variables ask for: `otlp`, `console` or `none`.

    Without an endpoint and without a named exporter there is none: OpenTelemetry's own default would send to a port of
    this machine where perhaps no process listens.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "none"
    named = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if named:
        return named
    return "otlp" if any(environ.get(name, "").strip() for name in ENDPOINTS) else "none"


def problem_of(exporter: str, environ: Mapping[str, str]) -> str:
    """Return why traces cannot be exported as asked for, or an empty string."""
    if exporter not in EXPORTERS:
        return "OTEL_TRACES_EXPORTER must be otlp, console or none"
    named = (environ.get(name, "").strip().lower() for name in PROTOCOLS)
    protocol = next((text for text in named if text), PROTOCOL)
    if exporter == "otlp" and protocol != PROTOCOL:
        return f"OTEL_EXPORTER_OTLP_PROTOCOL must be {PROTOCOL}"
    return ""


def tracer_from(environ: Mapping[str, str]) -> Tracer:
    """Return the tracer that OTEL_* variables ask for; one that cannot be had is logged, and ends nothing."""
    exporter = exporter_of(environ)
    if exporter == "none":
        return NO_TRACER
    problem = problem_of(exporter, environ)
    if not problem and not _is_installed():
        problem = 'OpenTelemetry is not installed: run pip install "vpsops[otel]"'
    if problem:
        logger.warning("traces_disabled", why=problem)
        return NO_TRACER
    from vpsops.core.telemetry.opentelemetry_tracer import open_tracer  # noqa: PLC0415 - only for who wants traces

    return open_tracer(exporter)


def _is_installed() -> bool:
    try:
        return all(find_spec(name) is not None for name in SDK)
    except ModuleNotFoundError:
        return False
