"""The page of a read without a page of its own: its fields, each by its name."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from vpsops.bot.blocks.elements import Block, Post, context, field_sections, header, plain, section
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.bot.messages.servers import OperationCall, shareable
from vpsops.bot.protocol.command_catalog import summary, word_for
from vpsops.core.common.text import moment, one_line

ROWS: Final = 20
FIELD: Final = 300
LONGEST: Final = 2_000
PRIVATE: Final = "Only you see this, and vpsops keeps no copy."


def result_page(result: BaseModel, asked: OperationCall | None) -> Post:
    """Render a result; without `asked` it is secret: for its reader alone, and without a button that shares it."""
    title = summary(word_for(asked.operation)) if asked is not None else PRIVATE
    blocks: list[Block] = [header(one_line(title, 140))] if asked is not None else [section(plain(title))]
    for label, value in _fields(result):
        blocks += _drawn(label, value)
    post = Post(escape_untrusted(title, 300), (*blocks,))
    return shareable(post, asked) if asked is not None else post


def _drawn(label: str, value: Any) -> list[Block]:
    if isinstance(value, list | tuple):
        more = [context(plain(f"and {len(value) - ROWS} more"))] if len(value) > ROWS else []
        rows = [section(plain(one_line(_row(item), LONGEST))) for item in value[:ROWS]]
        return [*(rows or [section(plain(f"{label}: none"))]), *more]
    if isinstance(value, BaseModel):
        return field_sections([(name, one_line(_text(item), FIELD)) for name, item in _fields(value)])
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
