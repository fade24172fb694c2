"""Cursors as clients hold them: opaque, and of one list alone; what is inside is a place, not a page number; pure."""

import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from vpsops.core.common.errors import InvalidInputError

CHECK = 3  # bytes: enough to tell a cursor from anything else
LONGEST = 1_000
LONGEST_PLACE = 400  # bytes
LAST = "\U0010ffff"  # sorts behind everything


def sealed(listing: str, place: str) -> str:
    """Return a place in a listing as a cursor.

    Of a place that no hostname and id could make only the beginning counts; what shares that is passed over together.
    """
    if len(place.encode("utf-8", "surrogatepass")) > LONGEST_PLACE:
        place = f"{place[: LONGEST_PLACE // 4]}{LAST}"
    inside = place.encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(_check(listing, inside) + inside).decode().rstrip("=")


def opened(listing: str, cursor: str) -> str:
    """Return the place that a cursor of this listing holds; raises `InvalidInputError` for any other text."""
    try:
        raw = urlsafe_b64decode(cursor[:LONGEST] + "=" * (-len(cursor[:LONGEST]) % 4))
        place = raw[CHECK:].decode("utf-8", "surrogatepass")
    except ValueError:  # binascii's error is one too
        place = None
    if place is None or sealed(listing, place) != cursor:
        raise no_such_cursor()
    return place


def no_such_cursor() -> InvalidInputError:
    """Return the error for a text that is no cursor of a list; its check is no secret, so one may be made by hand."""
    return InvalidInputError(
        "cursor: this is not a cursor of this list.", hint="Take the next_cursor of the last page, or leave it out."
    )


def _check(listing: str, inside: bytes) -> bytes:
    return zlib.crc32(inside, zlib.crc32(listing.encode())).to_bytes(4, "big")[:CHECK]
