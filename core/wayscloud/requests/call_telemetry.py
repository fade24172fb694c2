"""Counts, times and traces each request to the provider.

Spans follow OpenTelemetry's conventions for HTTP clients. The address is named by its template: ids of servers and
query texts stay out of it. No trace context is sent to the provider.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from vpsops.core.telemetry import metrics
from vpsops.core.telemetry.telemetry import Telemetry
from vpsops.core.telemetry.tracer import SpanRole
from vpsops.core.wayscloud.requests.endpoints import Route

NO_ANSWER = "none"
HTTP_ERRORS = 400


@dataclass(slots=True)
class ObservedCall:
    """One request; `status` is set once an answer came."""

    status: int = 0

    @property
    def status_class(self) -> str:
        """The class of the status, such as `2xx`."""
        return f"{self.status // 100}xx" if self.status else NO_ANSWER


@contextmanager
def observed_call(telemetry: Telemetry, route: Route, host: str, port: int) -> Iterator[ObservedCall]:
    """Observe the request that the block sends."""
    call, begun = ObservedCall(), anyio.current_time()
    attributes: dict[str, str | int | bool] = {
        "http.request.method": route.method,
        "url.template": route.path,
        "server.address": host,
        "server.port": port,
    }
    try:
        with telemetry.tracer.span(f"{route.method} {route.path}", SpanRole.CLIENT, attributes) as span:
            yield call
            span.set("http.response.status_code", call.status)
            if call.status >= HTTP_ERRORS:
                span.fail(str(call.status))
    finally:
        meter = telemetry.meter
        meter.count(metrics.PROVIDER_REQUESTS, route=route.name, http_method=route.method, status=call.status_class)
        meter.observe(metrics.PROVIDER_SECONDS, anyio.current_time() - begun, route=route.name)
