"""Results of reads: a whole list of servers as one table, and any result without a page of its own, by its fields."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from vpsops.bot.blocks.elements import Block, Post, actions, button, context, field_sections, header, plain, section
from vpsops.bot.blocks.tables import data_table
from vpsops.bot.messages.servers import OWNER, OperationCall, shareable
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import summary, word_for
from vpsops.core.common.text import moment, one_line
from vpsops.core.wayscloud.answers.labels import label_words, value_in
from vpsops.core.wayscloud.answers.models import Server

ROWS: Final = 20
FIELD: Final = 300
LONGEST: Final = 2_000
LACKING: Final = 500
SERVER_HEADS: Final = ("Server", "State", "Region", "Plan", "Address", "Owner")
PRIVATE: Final = "Only you see this, and vpsops keeps no copy."


def result_page(result: BaseModel, asked: OperationCall | None) -> Post:
    """Render a result; without `asked` it is secret: for its reader alone, and without a button that shares it."""
    title = summary(word_for(asked.operation)) if asked is not None else PRIVATE
    blocks: list[Block] = [header(one_line(title, 140))] if asked is not None else [section(plain(title))]
    for label, value in _fields(result):
        blocks += _drawn(label, value)
    post = Post(tuple(blocks))
    return shareable(post, asked) if asked is not None else post


def _drawn(label: str, value: Any) -> list[Block]:
    if isinstance(value, list | tuple):
        more = [context(plain(f"and {len(value) - ROWS} more"))] if len(value) > ROWS else []
        rows = [section(plain(one_line(_row(entry), LONGEST))) for entry in value[:ROWS]]
        return [*(rows or [section(plain(f"{label}: none"))]), *more]
    if isinstance(value, BaseModel):
        return field_sections([(name, one_line(_text(field), FIELD)) for name, field in _fields(value)])
    text = _text(value)
    return [section(plain(one_line(f"{label}: {text}", LONGEST)))] if text else []


def _row(item: Any) -> str:
    if not isinstance(item, BaseModel):
        return _text(item)
    return " · ".join(text for _, value in _fields(item) if (text := _text(value)))


def _fields(model: BaseModel) -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        if name != "extra":
            yield name.replace("_", " ").capitalize(), getattr(model, name)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return moment(value)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


@dataclass(frozen=True, slots=True)
class WholeList:
    """The servers that match a filter, from the first, and how many match it."""

    servers: Sequence[Server]
    total: int
    lacking: str = ""


def server_table(whole: WholeList, asked: OperationCall, owner: str = OWNER) -> Post:
    """Render servers as a table of what is known; its text holds every row, as it is posted once and never edited."""
    if not whole.servers:
        return Post((section(plain(f"No server matches. {one_line(whole.lacking, LACKING)}".strip())),))
    title = f"{whole.total:,} server{'s' if whole.total != 1 else ''}"
    rows = [_server_row(server, owner) for server in whole.servers]
    known = [number for number in range(len(SERVER_HEADS)) if any(row[number] for row in rows)]
    heads, *lines = ([row[number] for number in known] for row in (SERVER_HEADS, *rows))
    table = data_table("Servers", heads, lines)
    left = whole.total - len(table["rows"]) + 1
    more = f"{left:,} more are not in this table. Narrow the list down to see them." if left else ""
    words = [context(plain(one_line(sentence, LACKING))) for sentence in (more, whole.lacking) if sentence]
    return Post((header(title), table, *words, actions([button("Share here", action_ids.SHARE_WHOLE, asked.value)])))


def _server_row(server: Server, owner: str) -> tuple[str, ...]:
    address, person = server.ipv4 or server.ipv6 or server.id, value_in(label_words(server.labels), owner)
    return (server.hostname, server.state, server.place, server.plan or "", address, person)
