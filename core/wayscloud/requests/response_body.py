"""Reads the body of an answer up to a bound, unpacks it up to the same bound, and never trusts it to be whole."""

import json
import math
import re
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from vpsops.core.common.json_types import map_texts
from vpsops.core.wayscloud.answers.models import JSON

GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
LONGEST_NUMBER: Final = 300
MEMBERS_MOST: Final = 64  # each costs a copy of what is left
SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes as they came; `flaw` states in a few words why they are incomplete, and is empty when they are not."""

    content: bytes = b""
    flaw: str = ""
    cut_short: bool = False

    @property
    def empty(self) -> bool:
        """Return whether there was a whole body, with nothing in it."""
        return not self.flaw and not self.content.strip()

    def json(self) -> JSON:
        """Return the parsed bytes; raise ValueError, with a reason for people, when they are not JSON."""
        if self.flaw:
            raise ValueError(self.flaw)
        if not self.content.strip():
            raise ValueError("the body is empty")
        try:
            value: JSON = json.loads(self.content, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
        except (ValueError, RecursionError):
            raise ValueError("the body is not JSON") from None
        return map_texts(value, _without_surrogates) if SURROGATE.search(self.content) else value


async def read_body(chunks: AsyncGenerator[bytes], headers: Mapping[str, str], limit: int) -> Body:
    """Read at most `limit` bytes. A transfer that breaks gives a flaw and not an error: the status code has arrived.

    A cancellation, and with it a deadline, still propagates.
    """
    content = bytearray()
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                content += chunk
                if len(content) > limit:
                    return Body(flaw=f"the body is larger than {limit} bytes")
    except Exception as error:  # noqa: BLE001 - whatever the library raises, the body is not whole
        return Body(flaw=f"the body was cut short ({type(error).__name__})", cut_short=True)
    return _unpacked(bytes(content), headers.get("content-encoding", "").strip().lower(), limit)


def _unpacked(content: bytes, encoding: str, limit: int) -> Body:
    if encoding in {"", "identity"}:
        return Body(content)
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        return Body(flaw="the body is packed in a way that was not asked for")
    try:
        plain, whole = _members(content, limit)
    except zlib.error:
        return Body(flaw="the body is packed wrongly")
    if len(plain) > limit:
        return Body(flaw=f"the body is larger than {limit} bytes")
    return Body(plain) if whole else Body(flaw="the body was cut short", cut_short=True)


def _members(content: bytes, limit: int) -> tuple[bytes, bool]:
    """Return the joint contents of the members of a gzip body (RFC 1952 allows several), and whether the last is whole.

    No more than `limit` bytes and one are unpacked; raises `zlib.error` for an invalid member, and for too many.
    """
    plain = bytearray()
    for _ in range(MEMBERS_MOST):
        if not content or len(plain) > limit:
            return bytes(plain), True
        unpacker = zlib.decompressobj(GZIP_OR_ZLIB)
        plain += unpacker.decompress(content, limit + 1 - len(plain))
        if not unpacker.eof:
            return bytes(plain), False
        content = unpacker.unused_data
    raise zlib.error("too many members")


def _no_number(_: str) -> None:
    """Read NaN and the infinities, which JSON does not have, as nothing: one of them must not hide a whole fleet."""


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _whole(text: str) -> int | None:
    return int(text) if len(text) <= LONGEST_NUMBER else None


def _without_surrogates(text: str) -> str:
    """Return text with halves of characters, which no encoding can write, replaced."""
    return text.encode("utf-8", "replace").decode()
