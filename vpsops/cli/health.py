"""`vpsops health`: asks a process whether it is ready, for probes of containers and service managers."""

import argparse
import json
import sys
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from vpsops.core.common.errors import InvalidInputError

DEFAULT: Final = "http://127.0.0.1:3000/readyz"
MOST_BYTES: Final = 65_536
MOST_WORDS: Final = 200
READY, NOT_READY = 0, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops health`."""
    parser.description = (
        "Ask a running process whether it is ready, and say what is red. Exit code 0: ready; 1: not, or no answer."
        " Needs no settings."
    )
    parser.add_argument(
        "url", nargs="?", default=DEFAULT, metavar="URL", help="a process's address, or HOST:PORT; default %(default)s"
    )
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="5 unless given")


def run(arguments: argparse.Namespace) -> int:
    """Query and return the exit code. Raises `InvalidInputError` for an invalid address."""
    url = address_from(arguments.url)
    opener = build_opener(ProxyHandler({}))  # a probe asks its own machine, whatever proxy there is for others
    try:
        with opener.open(Request(url), timeout=arguments.timeout) as answer:  # noqa: S310 - http(s) alone, see below
            body = answer.read(MOST_BYTES)
    except HTTPError as error:
        with error:
            return _say(NOT_READY, words_of(error.read(MOST_BYTES)) or f"it answers {error.code}")
    except (OSError, HTTPException, ValueError) as error:
        return _say(NOT_READY, f"no answer from {url}: {reason_of(error)}")
    words = words_of(body)
    return _say(NOT_READY, "it does not answer as vpsops does") if words is None else _say(READY, words or "ready")


def _say(code: int, words: str) -> int:
    sys.stdout.write(f"{words}\n")
    return code


def reason_of(error: Exception) -> str:
    """Return in plain words why there was no answer."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "it took too long"
    words = cause.strerror if isinstance(cause, OSError) else ""
    return (words or f"it was not understood ({type(cause).__name__})")[:MOST_WORDS]


def address_from(text: str) -> str:
    """Return the complete URL of a health address. Raises `InvalidInputError`."""
    whole = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(whole)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise InvalidInputError("That is no address of a process.", hint=f"Write it like {DEFAULT}, or HOST:PORT.")
    return whole if parts.path.strip("/") else f"{whole.rstrip('/')}/readyz"


def words_of(body: bytes) -> str | None:
    """Return the failing checks, a line each; empty when all is well, None for another service's answer."""
    try:
        answer = json.loads(body)
        red = answer.get("red", [])
        if not isinstance(answer["ok"], bool):
            return None
        return "\n".join(f"{str(fault['part'])[:60]}: {str(fault['what'])[:300]}" for fault in red)
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
