"""Which servers a message is about, by the names, addresses and ids that stand in it; pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from bot.wire import Said
from core.wayscloud.models import Server

MOST_TEXT: Final = 20_000
DEEPEST: Final = 8
TEXTS: Final = ("text", "fallback", "pretext", "title", "value", "footer")
_WORD: Final = re.compile(r"[^\s,;()\[\]{}<>|\"'`*~=/]+")
_EDGES: Final = "._-:!?"


def text_of(said: Said) -> str:
    """Return the words of a message: its text, and that of its blocks and attachments, as alarms write them."""
    words = [said.text or "", *_texts([said.blocks, said.attachments], DEEPEST)]
    return "\n".join(words)[:MOST_TEXT]


def _texts(node: Any, deep: int) -> Iterator[str]:
    if deep == 0:
        return
    if isinstance(node, list):
        for one in node:
            yield from _texts(one, deep - 1)
    elif isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str) and name in TEXTS:
                yield value
            elif isinstance(value, list | dict):
                yield from _texts(value, deep - 1)


def servers_in(text: str, servers: Sequence[Server]) -> list[Server]:
    """Return the servers that a text names in full, in the order they appear; a part of a name is none."""
    known: dict[str, list[Server]] = {}
    for server in servers:
        for name in _names(server):
            known.setdefault(name, []).append(server)
    found = {one.id: one for word in _words(text) for one in known.get(word, ())}
    return list(found.values())


def _names(server: Server) -> Iterable[str]:
    full = server.hostname.lower()
    names = (full, full.split(".", 1)[0], (server.display_name or "").lower(), server.id.lower())
    addresses = ((server.ipv4 or "").lower(), (server.ipv6 or "").lower())
    return dict.fromkeys(one for one in (*names, *addresses) if one)


def _words(text: str) -> Iterator[str]:
    for found in _WORD.finditer(text[:MOST_TEXT].lower()):  # Slack's links fall apart into address and label
        word = found[0].strip(_EDGES)
        yield word
        yield found[0].rstrip("!?")  # an address such as 2001:db8:: ends in what else would be an edge
        host, colon, port = word.rpartition(":")
        if colon and port.isdigit():
            yield host
