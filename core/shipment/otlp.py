"""Records as logs of OpenTelemetry, by the exporter that OTEL_* variables configure."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from anyio import to_thread
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from vpsops.core.shipment.batch import Batch, ShipmentError, ShippedRecord

NAME: Final = "vpsops"
SCOPE: Final = InstrumentationScope("vpsops.audit")
NANOSECONDS: Final = 1_000_000_000


def open_otlp() -> "OtlpLogs":
    """Return the destination that OTEL_EXPORTER_OTLP_ENDPOINT, or its like for logs, names."""
    own = Resource({SERVICE_NAME: NAME, SERVICE_VERSION: version(NAME)})
    return OtlpLogs(OTLPLogExporter(), Resource.create().merge(own).merge(OTELResourceDetector().detect()))


@dataclass(frozen=True, slots=True)
class OtlpLogs:
    """A collector; it answers each request, so what it refused is sent again."""

    exporter: LogRecordExporter
    resource: Resource

    async def send(self, batch: Batch) -> None:
        """Export the records in one request."""
        logs = [ReadableLogRecord(_log(shipped), self.resource, SCOPE) for shipped in batch]
        if await to_thread.run_sync(self.exporter.export, logs) is not LogRecordExportResult.SUCCESS:
            raise ShipmentError("The collector did not take the records.")


def _log(shipped: ShippedRecord) -> LogRecord:
    record = shipped.record
    at = int(record.at * NANOSECONDS)
    return LogRecord(
        timestamp=at,
        observed_timestamp=at,
        severity_number=SeverityNumber.INFO,
        severity_text="INFO",
        body=shipped.line,
        event_name="vpsops.audit",
        attributes={
            "vpsops.audit.seq": record.seq,
            "vpsops.audit.event": record.event,
            "vpsops.audit.hash": record.hash,
            **({"vpsops.change": record.change_id} if record.change_id else {}),
        },
    )
