"""The destination that an address names, and what is shown and stored of it."""

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import LOCAL
from vpsops.core.shipment.batch import Destination
from vpsops.core.shipment.json_file import JsonFile
from vpsops.core.shipment.syslog import Syslog
from vpsops.core.shipment.webhook import Webhook

SYSLOG: Final = {"syslog+udp": 514, "syslog+tcp": 601, "syslog+tls": 6514, "syslog+unix": 0}
FORMS: Final = (
    "file:///PATH, syslog+udp://HOST:PORT, syslog+tcp://…, syslog+tls://…?ca=FILE, syslog+unix:///dev/log, https://… or"
    " otlp"
)
OTLP: Final = "otlp"


@dataclass(frozen=True, slots=True)
class ShipTarget:
    """A destination, its name in the database, and how it is shown: without user, password, path or query."""

    destination: Destination
    name: str
    shown: str


def target_from(address: str, secret: str, clock: Clock) -> ShipTarget:
    """Return the destination of an address; raises `ConfigurationError`."""
    address = address.strip()
    name = f"audit_ship_{hashlib.sha256(address.encode()).hexdigest()[:16]}"
    if address == OTLP:
        return ShipTarget(_otlp(), name, OTLP)
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise _wrong() from None
    if parts.scheme in SYSLOG:
        return _syslog_target(parts, port, name)
    if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
        path = Path(unquote(parts.path))
        return ShipTarget(JsonFile(path), name, f"file {path}")
    if (parts.scheme == "https" or LOCAL.fullmatch(address)) and parts.hostname:
        return ShipTarget(Webhook(address, secret, clock), name, f"{parts.scheme}://{parts.hostname}")
    raise _wrong()


def _syslog_target(parts: SplitResult, port: int | None, name: str) -> ShipTarget:
    transport = parts.scheme.partition("+")[2]
    if transport == "unix":
        if parts.netloc or not parts.path.strip("/"):
            raise _wrong()
        return ShipTarget(Syslog(transport, unquote(parts.path)), name, f"syslog at {parts.path}")
    if not parts.hostname or parts.path.strip("/"):
        raise _wrong()
    authority = parse_qs(parts.query).get("ca", [""])[0]
    if authority and not Path(authority).is_file():
        raise ConfigurationError(
            "The file of certificates that the destination names is not there.", hint="Correct ?ca=."
        )
    port = port or SYSLOG[parts.scheme]
    target = Syslog(transport, parts.hostname, port, authority)
    return ShipTarget(target, name, f"syslog at {parts.hostname}:{port} ({transport})")


def _otlp() -> Destination:
    try:
        destination: Destination = importlib.import_module("vpsops.core.shipment.otlp").open_otlp()
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise ConfigurationError(
            "Shipping to OpenTelemetry needs its SDK, which is not installed.", hint='Run: pip install "vpsops[otel]".'
        ) from None
    return destination


def _wrong() -> ConfigurationError:
    return ConfigurationError("That is no destination for the audit trail.", hint=f"Use {FORMS}.")
