"""Which servers a message is about, by the names, addresses and ids that stand in it; pure."""

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


def message_text(said: MessageContent) -> str:
    """Return the words of a message: its text, and that of its blocks and attachments, as alarms write them."""
    words = [said.text or "", *_texts([said.blocks, said.attachments], DEEPEST)]
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
    """Return the servers that a text names in full, in the order they appear; a part of a name is none."""
    places: dict[str, int] = {}
    for word in _words(text):
        places.setdefault(word, len(places))
    places.pop("", None)
    found = [(place, server) for server in servers if (place := _first(server, places)) is not None]
    return [server for _, server in sorted(found, key=lambda one: one[0])]


def _first(server: Server, places: Mapping[str, int]) -> int | None:
    """Return where a server is named first; few words are looked for among many names, not the other way round."""
    full = server.hostname.lower()
    names = (full, full.split(".", 1)[0], (server.display_name or "").lower(), server.id.lower())
    addresses = ((server.ipv4 or "").lower(), (server.ipv6 or "").lower())
    return min((places[item] for item in (*names, *addresses) if item in places), default=None)


def _words(text: str) -> Iterator[str]:
    for found in _WORD.finditer(text[:MOST_TEXT].lower()):  # Slack's links fall apart into address and label
        word = found[0].strip(_EDGES)
        yield word
        yield found[0].rstrip("!?")  # an address such as 2001:db8:: ends in what else would be an edge
        host, colon, port = word.rpartition(":")
        if colon and port.isdigit():
            yield host
