"""Finds the servers that a message mentions by name, address or id."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from vpsops.bot.protocol.payloads import MessageContent
from vpsops.core.wayscloud.answers.models import Server

MOST_TEXT: Final = 20_000
DEEPEST: Final = 8
TEXTS: Final = ("text", "fallback", "pretext", "title", "value", "footer")
_WORD: Final = re.compile(r"[^\s,;()\[\]{}<>|\"'`*~=/]+")
_EDGES: Final = "._-:!?"


def message_text(content: MessageContent) -> str:
    """Return a message's text, including that of its blocks and attachments, which alerting tools use."""
    words = [content.text or "", *_texts([content.blocks, content.attachments], DEEPEST)]
    return "\n".join(words)[:MOST_TEXT]


def _texts(node: Any, deep: int) -> Iterator[str]:
    if deep == 0:
        return
    if isinstance(node, list):
        for item in node:
            yield from _texts(item, deep - 1)
    elif isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str) and name in TEXTS:
                yield value
            elif isinstance(value, list | dict):
                yield from _texts(value, deep - 1)


def mentioned_servers(text: str, servers: Sequence[Server]) -> list[Server]:
    """Return the servers that a text names in full, in order of appearance; partial names do not count."""
    places: dict[str, int] = {}
    for word in _words(text):
        places.setdefault(word, len(places))
    places.pop("", None)
    matches = [(place, server) for server in servers if (place := _first(server, places)) is not None]
    return [server for _, server in sorted(matches, key=lambda match: match[0])]


def _first(server: Server, places: Mapping[str, int]) -> int | None:
    """Return the position of a server's first mention, or None."""
    full = server.hostname.lower()
    names = (full, full.split(".", 1)[0], (server.display_name or "").lower(), server.id.lower())
    addresses = ((server.ipv4 or "").lower(), (server.ipv6 or "").lower())
    return min((places[name] for name in (*names, *addresses) if name in places), default=None)


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text[:MOST_TEXT].lower()):  # splits Slack's links into address and label
        word = match[0].strip(_EDGES)
        yield word
        yield match[0].rstrip("!?")  # keeps the trailing colons of addresses such as 2001:db8::

        host, colon, port = word.rpartition(":")
        if colon and port.isdigit():
            yield host
