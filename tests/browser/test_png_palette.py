"""The pictures' own compression: the same picture in fewer bytes."""

import struct
import zlib

import pytest

from tests.browser.png_palette import MARK, small


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, rows: list[bytes], kind: int = 2) -> bytes:
    """Return a PNG of rows that begin with their filter's number."""
    header = struct.pack(">IIBBBBB", width, len(rows), 8, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    return MARK + b"".join(chunk(name, body) for name, body in parts)


def colours(picture: bytes) -> list[bytes]:
    """Return the pixels of a picture with a palette."""
    bodies, at = {}, len(MARK)
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        bodies[picture[at + 4 : at + 8]] = picture[at + 8 : at + 8 + length]
        at += length + 12
    width, height = struct.unpack_from(">II", bodies[b"IHDR"])
    data, palette = zlib.decompress(bodies[b"IDAT"]), bodies[b"PLTE"]
    indexes = [data[row * (width + 1) + 1 + column] for row in range(height) for column in range(width)]
    return [palette[index * 3 : index * 3 + 3] for index in indexes]


def test_every_filter_is_undone() -> None:
    """None, left, above, their mean, and the nearest of three: five rows of one picture."""
    rows = [
        bytes([0, 10, 20, 30, 40, 50, 60]),
        bytes([1, 1, 2, 3, 1, 1, 1]),
        bytes([2, 1, 1, 1, 2, 2, 2]),
        bytes([3, 5, 5, 5, 5, 5, 5]),
        bytes([4, 1, 0, 0, 0, 1, 0]),
    ]
    assert colours(small(png(2, rows))) == [
        bytes((10, 20, 30)),
        bytes((40, 50, 60)),
        bytes((1, 2, 3)),
        bytes((2, 3, 4)),
        bytes((2, 3, 4)),
        bytes((4, 5, 6)),
        bytes((6, 6, 7)),
        bytes((10, 10, 11)),
        bytes((7, 6, 7)),
        bytes((10, 11, 11)),
    ]


def test_more_colours_than_a_palette_has_become_the_nearest() -> None:
    """300 shades of grey are 256, each at most a shade away; transparency is left out."""
    row = b"\0" + b"".join(bytes((n % 256, n // 256, 0, 255)) for n in range(300))
    drawn = colours(small(png(300, [row], kind=6)))
    assert len(set(drawn)) == 256
    colors = [bytes((n % 256, n // 256, 0)) for n in range(300)]
    assert all(
        sum(abs(a - b) for a, b in zip(first, other, strict=True)) <= 1
        for first, other in zip(drawn, colors, strict=True)
    )


def test_a_small_dot_keeps_its_colour() -> None:
    """A state's green point is a few pixels among hundreds of frequent greys."""
    grey = [bytes((n % 256, n // 256, 0)) for n in range(300)]
    green = bytes((15, 118, 40))
    row = b"\0" + b"".join([*grey, *grey, green])
    assert colours(small(png(601, [row])))[-1] == green


@pytest.mark.parametrize("wrong", [b"", b"GIF89a", png(1, [b"\0\0"], kind=3)])
def test_what_no_browser_writes_is_refused(wrong: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="not a PNG"):
        small(wrong)
