"""Makes a browser's PNG small: at most 256 colours out of a palette, which drawn text and lines need no more of."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

MARK = b"\x89PNG\r\n\x1a\n"
COLOURS, FREQUENT = 256, 192
"""Colours of a palette, and those of them that are kept for their frequency alone."""
CHANNELS = {2: 3, 6: 4}
"""Of the colour types that browsers write: three without, four with transparency."""


def small(png: bytes) -> bytes:
    """Return the same picture with a palette; raises ValueError for a PNG that is none of a browser's."""
    chunks = list(_chunks(png))
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or kind not in CHANNELS or interlaced:
        raise ValueError("not a PNG as browsers write them")
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    pixels = _pixels(data, width, height, CHANNELS[kind])
    palette, indexes = _reduced(pixels)
    rows = b"".join(b"\0" + indexes[at : at + width] for at in range(0, width * height, width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return MARK + b"".join(_chunk(name, body) for name, body in parts)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not png.startswith(MARK):
        raise ValueError("not a PNG")
    at = len(MARK)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _pixels(data: bytes, width: int, height: int, channels: int) -> list[bytes]:
    """Undo the filters of the rows and return each pixel's red, green and blue."""
    stride = width * channels
    before = bytearray(stride)
    results: list[bytes] = []
    for number in range(height):
        start = number * (stride + 1)
        row = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + stride]), before, channels)
        results += [bytes(row[at : at + 3]) for at in range(0, stride, channels)]
        before = row
    return results


def _unfiltered(kind: int, row: bytearray, before: bytearray, step: int) -> bytearray:
    for at in range(len(row)):
        left = row[at - step] if at >= step else 0
        corner = before[at - step] if at >= step else 0
        row[at] = (row[at] + _predicted(kind, left, before[at], corner)) & 255
    return row


def _predicted(kind: int, left: int, above: int, corner: int) -> int:
    if kind == 3:
        return (left + above) // 2
    if kind == 4:
        guess = left + above - corner
        return min((left, above, corner), key=lambda entry: abs(guess - entry))
    return (0, left, above)[kind]


def _reduced(pixels: list[bytes]) -> tuple[bytes, bytes]:
    """Keep the most frequent colours and those far from them; each of the others becomes the nearest of them."""
    counted = Counter(pixels)
    kept = _kept(counted)
    known = {colour: index for index, colour in enumerate(kept)}
    for colour in counted.keys() - known.keys():
        known[colour] = min(range(len(kept)), key=lambda index: _distance(colour, kept[index]))
    return b"".join(kept), bytes(known[pixel] for pixel in pixels)


def _kept(counted: Counter[bytes]) -> list[bytes]:
    """Return the palette: a small dot of a colour of its own keeps that colour."""
    kept = [colour for colour, _ in counted.most_common(FREQUENT)]
    gaps = {colour: min(_distance(colour, other) for other in kept) for colour in counted.keys() - set(kept)}
    while gaps and len(kept) < COLOURS:
        farthest = max(gaps, key=lambda colour: (counted[colour] * gaps[colour], colour))
        kept.append(farthest)
        del gaps[farthest]
        gaps = {colour: min(gap, _distance(colour, farthest)) for colour, gap in gaps.items()}
    return kept


def _distance(entry: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(entry, other, strict=True))
