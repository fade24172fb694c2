"""The message shortcut's modal: the servers that a message mentions, and the allowed operations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vpsops.bot.blocks.elements import Block, Post, actions, button, context, lines, pack, plain, section
from vpsops.bot.blocks.labels import action_verb
from vpsops.bot.messages.servers import first_line, second_line
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import word_for
from vpsops.bot.views.modals import MAX_OPTIONS, encode_option
from vpsops.core.wayscloud.answers.models import Server

TITLE: Final = "Act on a server"
SHOWN: Final = 10
VALUE: Final = 2000
"""Slack's limit of a button's value. A server with a longer id gets no buttons."""
STATIC: Final = frozenset({"header", "section", "context"})


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """The servers to choose from, the allowed operations by server id, and an introduction."""

    servers: Sequence[Server] = ()
    may: Mapping[str, Sequence[str]] = field(default_factory=dict)
    words: str = ""


def act_view(choice: ServerChoice, metadata: Mapping[str, Any]) -> Block:
    """Render the servers with their buttons, and a menu for any other server."""
    blocks: list[Block] = [section(plain(choice.words))] if choice.words else []
    for number, server in enumerate(choice.servers[:SHOWN]):
        blocks.append(section(lines(first_line(server), second_line(server))))
        blocks += _buttons(number, server, choice.may.get(server.id, ()))
    more = len(choice.servers) - SHOWN
    blocks += [context(plain(f"and {more} more; find them below."))] if more > 0 else []
    blocks.append(section(plain("Another server:" if choice.servers else "Which server?"), _menu()))
    return _modal(blocks, metadata)


def outcome_view(post: Post, metadata: Mapping[str, Any]) -> Block:
    """Render the result of an operation: a reply's text without its controls."""
    blocks = [
        {name: value for name, value in block.items() if name != "accessory"}
        for block in post.blocks
        if block["type"] in STATIC
    ]
    return _modal([*blocks, section(plain("Another server:"), _menu())], metadata)


def server_options(servers: Sequence[Server], typed: str) -> list[Block]:
    """Return options of the first 100 servers with every typed word in their name, address, id, state or region."""
    terms = typed.casefold().split()
    fitting = [server for server in servers if all(word in _known_by(server) for word in terms)]
    return [
        {"text": plain(first_line(item), 75), "value": encode_option(item.id)}
        for item in sorted(fitting, key=_name)[:MAX_OPTIONS]
    ]


def _modal(blocks: Sequence[Block], metadata: Mapping[str, Any]) -> Block:
    return {
        "type": "modal",
        "callback_id": action_ids.ACT_FORM,
        "private_metadata": pack(metadata),
        "title": plain(TITLE, 24),
        "close": plain("Close", 24),
        "blocks": list(blocks),
    }


def _buttons(number: int, server: Server, may: Sequence[str]) -> list[Block]:
    values: list[dict[str, Any]] = [{"op": name, "args": {"server": server.id}} for name in may]
    row = [
        button(action_verb(word_for(value["op"])), action_ids.numbered_action_id(action_ids.ACT, at), value)
        for at, value in enumerate(values)
        if len(pack(value)) <= VALUE
    ]
    if not row:
        return [context(plain("You may not run any operation on it here."))]
    return [actions(row, f"act:{number}")]


def _menu() -> Block:
    return {
        "type": "external_select",
        "action_id": action_ids.PICK,
        "min_query_length": 0,
        "placeholder": plain("Type a name, an address or a state", 150),
    }


def _known_by(server: Server) -> str:
    parts = (server.hostname, server.display_name, server.ipv4, server.ipv6, server.id, server.state, server.region)
    return " ".join(part for part in parts if part).casefold()


def _name(server: Server) -> tuple[str, str]:
    return server.hostname.lower(), server.id
