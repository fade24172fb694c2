"""Address, host names and authentication of MCP over HTTP, checked before anything is opened."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.text import comma_separated
from vpsops.core.config.settings import Settings
from vpsops.core.server.http_server import base_of
from vpsops.mcp_server.auth.issuer import IssuerConfig, check_address
from vpsops.mcp_server.auth.middleware import AuthConfig
from vpsops.mcp_server.auth.static_tokens import StaticTokens
from vpsops.mcp_server.http import PATH

LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
SHORTEST_KEY: Final = 32


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """A checked configuration: the addresses, the authentication, and the keys that seal open questions."""

    local: str
    url: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    access: AuthConfig
    state_keys: tuple[bytes, ...]
    pages: tuple[str, ...] = ()
    """The origins that were configured, which get the headers a browser asks for."""


def http_config_from(
    settings: Settings, sock: socket.socket, clock: Clock, named: str = "", *, proxied: bool = False
) -> HttpConfig:
    """Return the site on a bound socket; `named` is the host as `--http` has it, `proxied` that others must reach it.

    Raises `ConfigurationError` for settings that do not fit, and for an open door: beyond loopback,
    by address, by name or through a proxy, there is no serving without authentication.
    """
    local = f"{base_of(sock)}{PATH}"
    url = settings.http_url or local
    _check_url("VPSOPS_HTTP_URL", url, settings.http_url)
    hosts = _hosts(settings, url, named)
    access = AuthConfig(_tokens(settings, clock), _trust(settings, url, sock))
    if not access.required:
        _check_closed(sock, hosts, proxied=proxied)
    pages = _listed(settings.http_origins)
    origins = pages or tuple(f"http://{host}:*" for host in LOOPBACK_HOSTS)
    return HttpConfig(local, url, _with_ports(hosts), origins, access, state_keys(settings), pages)


def state_keys(settings: Settings) -> tuple[bytes, ...]:
    """Return the keys that seal open questions, the first for new ones. Raises `ConfigurationError` for short ones."""
    state_key = settings.state_key.get_secret_value() if settings.state_key else ""
    keys = _listed(state_key)
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ConfigurationError(
            f"VPSOPS_STATE_KEY needs {SHORTEST_KEY} characters or more.",
            hint="Make one with: openssl rand -hex 32",
        )
    return tuple(key.encode() for key in keys)


def _tokens(settings: Settings, clock: Clock) -> StaticTokens | None:
    return StaticTokens(settings.http_tokens_file, clock) if settings.http_tokens_file else None


def _trust(settings: Settings, url: str, sock: socket.socket) -> IssuerConfig | None:
    if not settings.oauth_issuer:
        return None
    _check_url("VPSOPS_OAUTH_ISSUER", settings.oauth_issuer, settings.oauth_issuer)
    if not settings.http_url and not is_loopback(sock):
        raise ConfigurationError(
            "With VPSOPS_OAUTH_ISSUER, clients need the address that tokens are for.",
            hint="Set VPSOPS_HTTP_URL to the public address, such as https://vpsops.example.com/mcp.",
        )
    return IssuerConfig(
        settings.oauth_issuer, settings.oauth_audience or url, settings.oauth_human_claim, settings.oauth_slack_claim
    )


def _check_url(name: str, url: str, configured: str) -> None:
    if not configured:
        return
    try:
        check_address(url)
        fits = not urlsplit(url).query and not urlsplit(url).fragment
    except ValueError:
        fits = False
    if not fits:
        raise ConfigurationError(
            f"{name} must be an https:// address without ? or #, a user or a password (http:// only on this machine).",
            hint="Write it as https://vpsops.example.com/mcp. It is published.",
        )


def _hosts(settings: Settings, url: str, named: str) -> tuple[str, ...]:
    """Return the names to answer to: as configured, or loopback; and always those of our own addresses."""
    own = [urlsplit(url).netloc] if settings.http_url else []
    own += [f"[{named}]" if ":" in named else named] if named and not _is_any(named) else []
    return tuple(dict.fromkeys((*(_listed(settings.http_hosts) or LOOPBACK_HOSTS), *own)))


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _with_ports(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Expand each name without a port to match any port."""
    both = ((host, f"{host}:*") if _portless(host) else (host,) for host in hosts)
    return tuple(host.lower() for pair in both for host in pair)


def _portless(host: str) -> bool:
    return ":" not in host.rpartition("]")[2]


def _check_closed(sock: socket.socket, hosts: tuple[str, ...], *, proxied: bool) -> None:
    if proxied:  # behind a proxy every request seems to come from this machine
        raise ConfigurationError(
            "Slack's requests reach this address through a proxy, and MCP beside them would serve anyone.",
            hint="Set VPSOPS_HTTP_TOKENS_FILE (`vpsops token new` makes one) or VPSOPS_OAUTH_ISSUER;"
            " or run `vpsops bot`, and `vpsops mcp --http` at another address.",
        )
    beyond = [host for host in hosts if not _is_local_name(host)]
    if is_loopback(sock) and not beyond:
        return
    what = f"answer to {', '.join(beyond)}" if beyond else f"listen on {sock.getsockname()[0]}"
    raise ConfigurationError(
        f"Without authentication MCP over HTTP serves this machine alone, and cannot {what}.",
        hint="Set VPSOPS_HTTP_TOKENS_FILE or VPSOPS_OAUTH_ISSUER, or listen on 127.0.0.1.",
    )


def _is_local_name(host: str) -> bool:
    name = host if _portless(host) else host.rpartition(":")[0]
    bare = name.strip("[]").lower()
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"


def is_loopback(sock: socket.socket) -> bool:
    """Return whether a bound socket is reached from this machine alone."""
    return ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(comma_separated(text)))
