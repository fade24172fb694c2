"""The proxy for calls to Slack, from the environment."""

import os
from typing import Final
from urllib.parse import urlsplit

from slack_sdk.proxy_env_variable_loader import load_http_proxy_from_env

from vpsops.bot.protocol.logging import slack_logger

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def proxy_for(url: str) -> str | None:
    """Return the proxy for an address, or None for this machine and for what NO_PROXY names.

    The SDK reads HTTPS_PROXY and HTTP_PROXY, but not NO_PROXY, which the provider's client respects.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    excluded = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    entries = [entry.strip().lower().removeprefix("*.").lstrip(".") for entry in excluded.split(",")]
    if host in LOOPBACK or any(_is_in(host, port, entry) for entry in entries if entry):
        return None
    return load_http_proxy_from_env(slack_logger)


def _is_in(host: str, port: int, entry: str) -> bool:
    """Return whether an entry of NO_PROXY means a host: by its name, a domain, an address, with a port, or `*`."""
    return entry in {"*", host, f"{host}:{port}"} or host.endswith(f".{entry}")
