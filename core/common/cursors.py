"""Opaque pagination cursors: each belongs to one list and holds a position (keyset), never a page number."""

import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from vpsops.core.common.errors import ArgumentError, InvalidInputError

CHECK = 3  # bytes of the checksum that distinguishes a cursor from other text
LONGEST = 1_000
LONGEST_PLACE = 400  # bytes
LAST = "\U0010ffff"  # sorts behind everything


def encode_cursor(listing: str, place: str) -> str:
    """Return a position in a list as a cursor.

    A position that no hostname and id could make is cut; the rows that share its beginning are skipped together.
    """
    if len(place.encode("utf-8", "surrogatepass")) > LONGEST_PLACE:
        place = f"{place[: LONGEST_PLACE // 4]}{LAST}"
    inside = place.encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(_check(listing, inside) + inside).decode().rstrip("=")


def decode_cursor(listing: str, cursor: str) -> str:
    """Return the position that a cursor of this list holds; raises `InvalidInputError` for any other text."""
    try:
        raw = urlsafe_b64decode(cursor[:LONGEST] + "=" * (-len(cursor[:LONGEST]) % 4))
        place = raw[CHECK:].decode("utf-8", "surrogatepass")
    except ValueError:  # binascii's error is one too
        place = None
    if place is None or encode_cursor(listing, place) != cursor:
        raise invalid_cursor_error()
    return place


def invalid_cursor_error() -> InvalidInputError:
    """Return the error for an invalid cursor. Its checksum is no secret: check the position too."""
    problem = "this is not a cursor of this list; take the next_cursor of the last page, or leave it out"
    return ArgumentError("cursor", "cursor", problem)


def _check(listing: str, inside: bytes) -> bytes:
    return zlib.crc32(inside, zlib.crc32(listing.encode())).to_bytes(4, "big")[:CHECK]
