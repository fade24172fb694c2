"""The proxy for calls to Slack, from the environment."""

import os
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from slack_sdk.proxy_env_variable_loader import load_http_proxy_from_env

from vpsops.bot.protocol.logging import slack_logger

LOOPBACK: Final = "localhost"
DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def proxy_for(url: str) -> str | None:
    """Return the proxy for an address, or None for this machine and for what NO_PROXY names.

    The SDK reads HTTPS_PROXY and HTTP_PROXY, but not NO_PROXY, which the provider's client respects.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower().rstrip(".")
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    excluded = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if _is_this_machine(host) or any(_is_in(host, port, entry) for entry in _entries(excluded)):
        return None
    return load_http_proxy_from_env(slack_logger)


def _entries(excluded: str) -> list[str]:
    """Return the entries of NO_PROXY: with commas or blanks between, without a scheme and the signs of a domain."""
    entries = [entry.rpartition("://")[2].lower() for entry in re.split(r"[,\s]+", excluded)]
    return [plain for entry in entries if (plain := entry.removeprefix("*.").strip(".").rstrip("/"))]


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address is not None else host == LOOPBACK or host.endswith(f".{LOOPBACK}")


def _is_in(host: str, port: int, entry: str) -> bool:
    """Return whether an entry of NO_PROXY means a host: its name, domain, address, network, with a port, or `*`."""
    address = _address(host)
    if address is not None and "/" in entry:
        try:
            return address in ip_network(entry, strict=False)
        except ValueError:
            return False
    if entry.startswith("["):
        name, _, its_port = entry.removeprefix("[").partition("]")
        return host == name and its_port in {"", f":{port}"}
    return entry in {"*", host, f"{host}:{port}"} or host.endswith(f".{entry}")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
