"""Messages about servers: list, details, usage, and a choice between several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpsops.bot.blocks.elements import (
    MAX_VALUE,
    Block,
    Post,
    actions,
    button,
    choice,
    context,
    field_sections,
    header,
    lines,
    mrkdwn,
    option,
    pack,
    plain,
    section,
)
from vpsops.bot.blocks.labels import action_label, action_verb
from vpsops.bot.blocks.tables import TABLE_ROWS
from vpsops.bot.blocks.text import moment
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.core.common.text import duration, monthly, one_line
from vpsops.core.operations import OPERATIONS, Risk
from vpsops.core.operations.servers import LAST, ServerList
from vpsops.core.wayscloud.answers.labels import label_words, value_in
from vpsops.core.wayscloud.answers.models import Server, Usage

SIGNS: Final = {"running": "●", "stopped": "○", "failed": "✗"}
CHOICES: Final = 20
OPTION_VALUE: Final = 150
SIMPLE_TOOLSET: Final = "servers"
MENU_LENGTH: Final = 4
MORE: Final = "more"
"""Stands in a menu's value for the form with all that may be done; no operation has this name."""
MORE_LABEL: Final = "More…"
Offered = Mapping[str, Sequence[str]]
"""The operations that a person may ask for, by the server's id."""
SIZE: Final = 20
LABELS: Final = 600
OWNER: Final = "owner"
"""The key of the label that names an owner, where the settings name no other."""
NARROW: Final = "These names are too long for page buttons. Type part of a name to narrow the list."
UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True)
class OperationCall:
    """An operation and its arguments; stored in the buttons that repeat or share the reply."""

    operation: str
    arguments: Mapping[str, Any]
    about: str = ""  # the hostname of its server, where that is known; no part of the value

    @property
    def value(self) -> dict[str, Any]:
        """The call as a button value."""
        return {"op": self.operation, "args": dict(self.arguments)}


NO_ARGUMENTS: Final[Mapping[str, Any]] = {}
NO_OPERATIONS: Final[Offered] = {}
LIST_ALL: Final = OperationCall("list", {})


def server_page(page: ServerList, asked: OperationCall, offered: Offered = NO_OPERATIONS, owner: str = OWNER) -> Post:
    """Render one page of servers."""
    title = _count(page)
    lacking = [context(plain(one_line(page.lacking, 500)))] if page.lacking else []
    if not page.servers:
        return Post((section(plain(title)), section(plain(_none(page, asked))), *lacking))
    rows = [
        section(lines(first_line(server), second_line(server, owner)), _menu(server, offered))
        for server in page.servers
    ]
    blocks = (header(title), *rows, *lacking, *_foot(page, asked))
    return Post(blocks)


def server_details(server: Server, asked: OperationCall, offered: Offered = NO_OPERATIONS, owner: str = OWNER) -> Post:
    """Render one server, with buttons for what its reader may do with it now."""
    title = f"{SIGNS.get(server.state, '◌')} {one_line(server.hostname, 120)}: {one_line(server.state, 24)}"
    blocks = [
        header(title),
        *field_sections(_facts(server, owner)),
        actions(_buttons(server, asked, offered.get(server.id, ()))),
    ]
    if server.created_at is not None:
        blocks.append(context(mrkdwn(f"Created {moment(server.created_at)}")))
    return Post(tuple(blocks))


def usage_page(hostname: str, usage: Usage, asked: OperationCall) -> Post:
    """Render a server's current usage."""
    title = f"{one_line(hostname, 120)}: usage"
    pairs = [
        ("CPU", _bar(usage.cpu_percent)),
        ("Memory", _bar(usage.memory_percent)),
        ("Disk", _bar(usage.disk_percent)),
        ("Uptime", duration(usage.uptime_seconds) if usage.uptime_seconds is not None else ""),
        ("Received", _bytes(usage.network_in_bytes)),
        ("Sent", _bytes(usage.network_out_bytes)),
        ("Power", usage.power_state or usage.status or ""),
    ]
    row = [button("Refresh", action_ids.numbered_action_id(action_ids.RUN, 0), asked.value), share(asked)]
    return Post((header(title), *field_sections(pairs), actions(row)))


def server_choice(
    text: str,
    operation: str,
    candidates: Sequence[tuple[str, str]],
    given: Mapping[str, Any] = NO_ARGUMENTS,
    arguments: Mapping[str, Any] = NO_ARGUMENTS,
) -> Post:
    """Ask which server is meant: one button for each candidate, which runs the operation on exactly that server.

    All other arguments stay as they were given, and so do the reason and the time in `given`.
    """
    visible = candidates[:CHOICES]
    twice = {name for _, name in visible if sum(name == other for _, other in visible) > 1}
    row = [
        button(
            action_label(operation, f"{name} ({ident})" if name in twice else name),
            action_ids.numbered_action_id(action_ids.RUN, number),
            {"op": operation, "args": {**arguments, "server": ident}, **given},
        )
        for number, (ident, name) in enumerate(visible)
    ]
    words = f"'{one_line(text, 80)}' matches {len(candidates)} servers. Which one?"
    more = (
        f" These are the first {CHOICES}; type more of the name to narrow it down." if len(candidates) > CHOICES else ""
    )
    typed = [ident if name in twice else name for ident, name in visible]
    return Post((section(plain(words + more)), choice(row, typed)))


def share(asked: OperationCall) -> Block:
    """Return the button that posts a private reply to the channel."""
    return button("Share here", action_ids.SHARE, asked.value)


def shareable(post: Post, asked: OperationCall) -> Post:
    """Return a reply with the share button below it."""
    return Post((*post.blocks, actions([share(asked)])))


def _count(page: ServerList) -> str:
    if page.total == 0:
        return "No known server matches" if page.lacking else "No servers"
    last = page.skipped + len(page.servers)
    visible = f", {page.skipped + 1:,} to {last:,} shown" if len(page.servers) < page.total else ""
    return f"{page.total:,} server{'s' if page.total != 1 else ''}{visible}"


def _none(page: ServerList, asked: OperationCall) -> str:
    if page.advice:
        return f"No server matches. {one_line(page.advice, 300)}"
    if asked.arguments or page.lacking:
        return f"No server matches. Filter with state:running or region:oslo; {SLASH} list shows all."
    return f"This account has no servers yet. {SLASH} create orders a server."


def first_line(server: Server) -> str:
    """Return a server's symbol, name and state in one line."""
    return f"{SIGNS.get(server.state, '◌')} {one_line(server.hostname, 200)}  {one_line(server.state, 40)}"


def second_line(server: Server, owner: str = OWNER) -> str:
    """Return a server's region, plan, address, owner and end in one short line."""
    person = value_in(label_words(server.labels), owner)
    end = f"end {server.end.partition(',')[0]}" if server.end else ""
    address = server.ipv4 or server.ipv6 or server.id
    parts = (server.place, server.plan, address, f"owner {person}" if person else "", end)
    return " · ".join(one_line(part, 130) for part in parts if part)


def simple(names: Sequence[str]) -> list[str]:
    """Return the operations of a server that need nothing else and destroy nothing: those of a row of buttons."""
    return [
        name
        for name in names
        if OPERATIONS[name].takes_only_server
        and OPERATIONS[name].toolset == SIMPLE_TOOLSET
        and OPERATIONS[name].risk is not Risk.DESTRUCTIVE
    ]


def more_button(server: Server) -> Block | None:
    """Return the button that opens the form with all that may be done with a server; None for an id too long for it."""
    value = {"s": server.id}
    return button(MORE_LABEL, action_ids.MORE, value) if len(pack(value)) <= MAX_VALUE else None


def _menu(server: Server, offered: Offered) -> Block | None:
    """Return the menu of what may be done with a server; None without any, or where an id exceeds a menu's value."""
    names = offered.get(server.id, ())
    entries = [(action_verb(name), f"{name} {server.id}") for name in simple(names)[:MENU_LENGTH]]
    entries += [(MORE_LABEL, f"{MORE} {server.id}")] if len(names) > len(entries) else []
    if not entries or any(len(value) > OPTION_VALUE for _, value in entries):
        return None
    options = [option(label, value) for label, value in entries]
    return {"type": "overflow", "action_id": action_ids.MENU, "options": options}


def _foot(page: ServerList, asked: OperationCall) -> list[Block]:
    """Return the pagination buttons; each carries the filters and the cursor of its page."""
    turns = [(words, OperationCall("list", arguments).value) for words, arguments in _turns(page, asked)]
    row = [
        button(words, action_ids.numbered_action_id(action_ids.RUN, number), value)
        for number, (words, value) in enumerate(turns)
        if len(pack(value)) <= MAX_VALUE
    ]
    lacking = [context(plain(NARROW))] if len(row) < len(turns) else []
    row += [_whole(page, asked)] if page.next_cursor or page.previous_cursor else []
    return [
        *lacking,
        actions([*row, share(asked)] if len(pack(asked.value)) <= MAX_VALUE else row or [share(LIST_ALL)]),
    ]


def _whole(page: ServerList, asked: OperationCall) -> Block:
    """Return the button that shows all pages as one table."""
    words = f"All {page.total:,} as a table" if page.total <= TABLE_ROWS else f"The first {TABLE_ROWS} as a table"
    filters = {name: value for name, value in asked.arguments.items() if name not in {"cursor", "limit"}}
    return button(words, action_ids.WHOLE_LIST, OperationCall("list", filters).value)


def _turns(page: ServerList, asked: OperationCall) -> list[tuple[str, Mapping[str, Any]]]:
    filters = {name: value for name, value in asked.arguments.items() if name != "cursor"}
    turns: list[tuple[str, Mapping[str, Any]]] = []
    if page.previous_cursor:
        turns += [("First", filters), ("Previous", {**filters, "cursor": page.previous_cursor})]
    if page.next_cursor:
        turns += [("Next", {**filters, "cursor": page.next_cursor}), ("Last", {**filters, "cursor": LAST})]
    return turns


def _facts(server: Server, owner: str) -> list[tuple[str, str]]:
    labels = label_words(server.labels)
    return [
        ("Address", server.ipv4 or ""),
        ("IPv6", server.ipv6 or ""),
        ("Region", server.place),
        ("Plan", server.plan or ""),
        ("System", server.os_template or ""),
        ("Size", _size(server)),
        ("Price", monthly(server.monthly_price, server.currency)),
        ("Ends", one_line(server.end or "", 120)),
        ("Id", server.id),
        ("Name", server.display_name or ""),
        ("Owner", one_line(value_in(labels, owner), LABELS)),
        ("Labels", "" if labels is None else one_line(", ".join(labels), LABELS) or "none"),
        ("Tags", one_line(", ".join(server.tags or ()), LABELS)),
    ]


def _size(server: Server) -> str:
    parts = (
        f"{server.vcpus} vCPU" if server.vcpus else "",
        f"{server.memory_gb:g} GB memory" if server.memory_gb else "",
        f"{server.disk_gb:g} GB disk" if server.disk_gb else "",
    )
    return ", ".join(part for part in parts if part)


def _buttons(server: Server, asked: OperationCall, names: Sequence[str]) -> list[Block]:
    row = [
        button(
            action_verb(name),
            action_ids.numbered_action_id(action_ids.RUN, number),
            {"op": name, "args": {"server": server.id}},
        )
        for number, name in enumerate(name for name in simple(names) if name != asked.operation)
    ]
    more = more_button(server) if len(names) > len(row) else None
    return [*row, *([more] if more else []), share(asked)]


def _bar(percent: float | None) -> str:
    if percent is None:
        return ""
    full = round(min(max(percent, 0.0), 100.0) / 100 * SIZE / 2)
    return f"{'█' * full}{'░' * (SIZE // 2 - full)} {percent:.0f} %"


def _bytes(count: int | None) -> str:
    if count is None:
        return ""
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(UNITS) - 1:  # noqa: PLR2004 - decimal units, as networks count
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.3g} {UNITS[unit]}"
