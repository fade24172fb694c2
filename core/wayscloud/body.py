"""The body of an answer: read up to a bound, unpacked up to the same bound, and never trusted to be whole."""

import json
import math
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, NoReturn

from core.wayscloud.models import JSON

GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes as they came; `flaw` says in a few words why they are not all there, and is empty when they are."""

    content: bytes = b""
    flaw: str = ""
    cut_short: bool = False

    @property
    def empty(self) -> bool:
        """Tell whether there was a whole body, with nothing in it."""
        return not self.flaw and not self.content.strip()

    def json(self) -> JSON:
        """Return what the bytes say; raise ValueError, with a reason for people, when they are not JSON."""
        if self.flaw:
            raise ValueError(self.flaw)
        if not self.content.strip():
            raise ValueError("the body is empty")
        try:
            value: JSON = json.loads(self.content, parse_constant=_refuse, parse_float=_finite)
        except (ValueError, RecursionError):
            raise ValueError("the body is not JSON") from None
        return value


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
    unpacker = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        plain = unpacker.decompress(content, limit + 1)
    except zlib.error:
        return Body(flaw="the body is packed wrongly")
    if len(plain) > limit:
        return Body(flaw=f"the body is larger than {limit} bytes")
    return Body(plain) if unpacker.eof or not content else Body(flaw="the body was cut short", cut_short=True)


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
