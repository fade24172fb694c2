"""A receiver of OTLP over HTTP: takes traces and logs as protobuf on a port of this machine, as a collector does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span, with the process that sent it."""

    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    process: str
    attributes: dict[str, str]


@dataclass(slots=True)
class OtlpReceiver:
    """What was received so far."""

    url: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    logs: list[tuple[int, str, str]] = field(default_factory=list)
    """The number, the event and the body of each log record of ours."""

    def named(self, name: str) -> list[ReceivedSpan]:
        """Return the spans of a name."""
        return [span for span in list(self.spans) if span.name == name]

    def take(self, body: bytes) -> None:
        """Take a request."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    ReceivedSpan(
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        tuple(link.trace_id.hex() for link in span.links),
                        named["service.instance.id"],
                        {attribute.key: attribute.value.string_value for attribute in span.attributes},
                    )
                    for span in scope.spans
                ]

    def take_logs(self, body: bytes) -> None:
        """Take a request with logs."""
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            for scope in resource.scope_logs:
                for log in scope.log_records:
                    named = {attribute.key: attribute.value for attribute in log.attributes}
                    number, event = named["vpsops.audit.seq"], named["vpsops.audit.event"]
                    self.logs.append((number.int_value, event.string_value, log.body.string_value))


@contextmanager
def running_receiver(port: int = 0) -> Iterator[OtlpReceiver]:
    """Receive until the block ends; port 0 takes any free port."""

    class TracesHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken = {"/v1/traces": receiver.take, "/v1/logs": receiver.take_logs}
            known = self.path in taken and self.headers["Content-Type"] == "application/x-protobuf"
            if known and not self.headers.get("Content-Encoding"):
                taken[self.path](body)
            self.send_response(200 if known else 415)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), TracesHandler) as server:
        receiver = OtlpReceiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
