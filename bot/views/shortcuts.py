"""The message shortcut's modal: the servers that a message mentions, and the allowed operations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vpsops.bot.blocks.elements import Block, Post, actions, button, context, lines, modal, pack, plain, section
from vpsops.bot.blocks.labels import action_verb
from vpsops.bot.messages.servers import SIMPLE_TOOLSET, first_line, more_button, second_line, simple
from vpsops.bot.protocol import action_ids
from vpsops.bot.views.modals import MAX_OPTIONS, encode_option
from vpsops.core.operations import OPERATIONS, Risk
from vpsops.core.wayscloud.answers.models import Server

TITLE: Final = "Act on a server"
SHOWN: Final = 10
NOTHING: Final = "You may not run any operation on it here."
VALUE: Final = 2000
"""Slack's limit of a button's value. A server with a longer id gets no buttons."""
RUNS: Final = frozenset({action_ids.RUN, action_ids.REMEDY, action_ids.AGAIN})
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
    alone = len(choice.servers) == 1
    for number, server in enumerate(choice.servers[:SHOWN]):
        blocks.append(section(lines(first_line(server), second_line(server))))
        names = choice.may.get(server.id, ())
        blocks += _families(server, names) if alone else _row(number, server, names)
    more = len(choice.servers) - SHOWN
    blocks += [context(plain(f"and {more} more; find them below."))] if more > 0 else []
    blocks.append(section(plain("Another server:" if choice.servers else "Which server?"), _menu()))
    return _modal(blocks, metadata)


def outcome_view(post: Post, metadata: Mapping[str, Any], title: str = TITLE) -> Block:
    """Render the result of an operation: a reply's text, and those of its controls that run an operation."""
    blocks: list[Block] = []
    for block in post.blocks:
        if block["type"] in STATIC:
            blocks.append({name: value for name, value in block.items() if name != "accessory"})
        blocks += _runs(block, len(blocks)) if block["type"] == "actions" else []
    another = [section(plain("Another server:"), _menu())] if title == TITLE else []
    return _modal([*blocks, *another], metadata, title)


def _runs(block: Block, number: int) -> list[Block]:
    """Return the controls of a message that run an operation, as those of a form."""
    running = [element for element in block["elements"] if action_ids.base_action_id(element["action_id"]) in RUNS]
    row = [
        {**element, "action_id": action_ids.numbered_action_id(action_ids.ACT, at)}
        for at, element in enumerate(running)
    ]
    return [actions(row, f"run:{number}")] if row else []


def server_options(servers: Sequence[Server], typed: str) -> list[Block]:
    """Return options of the first 100 servers with every typed word in their name, address, id, state or region."""
    terms = typed.casefold().split()
    fitting = [server for server in servers if all(word in _known_by(server) for word in terms)]
    return [
        {"text": plain(first_line(item), 75), "value": encode_option(item.id)}
        for item in sorted(fitting, key=_name)[:MAX_OPTIONS]
    ]


def _modal(blocks: Sequence[Block], metadata: Mapping[str, Any], title: str = TITLE) -> Block:
    return modal(
        action_ids.ACT_FORM,
        title,
        blocks,
        metadata=metadata,
        close="Close",
    )


def _families(server: Server, names: Sequence[str]) -> list[Block]:
    """Return all that may be done with a server: a row of buttons for each group, what destroys at its end."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: OPERATIONS[name].risk is Risk.DESTRUCTIVE):
        groups.setdefault(OPERATIONS[name].toolset, []).append(name)
    rows = {title: _buttons(server, members) for title, members in groups.items()}
    blocks: list[Block] = []
    for title, row in rows.items():
        heading = [] if title == SIMPLE_TOOLSET else [context(plain(title.capitalize()))]
        blocks += [*heading, actions(row, f"act:{title}")] if row else []
    return blocks or [context(plain(NOTHING))]


def _row(number: int, server: Server, names: Sequence[str]) -> list[Block]:
    """Return what is asked for most with one of several servers, and the way to the rest."""
    row = _buttons(server, simple(names))
    more = more_button(server) if len(names) > len(row) else None
    row += [more] if more else []
    return [actions(row, f"act:{number}")] if row else [context(plain(NOTHING))]


def _buttons(server: Server, names: Sequence[str]) -> list[Block]:
    values: list[dict[str, Any]] = [{"op": name, "args": {"server": server.id}} for name in names]
    return [
        button(_label(value["op"]), action_ids.numbered_action_id(action_ids.ACT, at), value, _style(value["op"]))
        for at, value in enumerate(values)
        if len(pack(value)) <= VALUE
    ]


def _label(name: str) -> str:
    """Return an operation's label; an ellipsis says that a form asks for more."""
    return f"{action_verb(name)}{'' if OPERATIONS[name].takes_only_server else '…'}"


def _style(name: str) -> str:
    return "danger" if OPERATIONS[name].risk is Risk.DESTRUCTIVE else ""


def _menu() -> Block:
    return {
        "type": "external_select",
        "action_id": action_ids.PICK,
        "min_query_length": 0,
        "placeholder": plain("Type a name, an address or a state", 150),
    }


def _known_by(server: Server) -> str:
    parts = (server.hostname, server.display_name, server.ipv4, server.ipv6, server.id, server.state, server.place)
    return " ".join(part for part in parts if part).casefold()


def _name(server: Server) -> tuple[str, str]:
    return server.hostname.lower(), server.id
