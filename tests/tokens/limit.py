"""How many tokens a text takes at most, without a tokenizer.

An upper bound for o200k_base, the vocabulary sizes are stated in. It holds because of what that vocabulary has: every
number of up to three digits, every run of up to 79 spaces, every pair of lower-case letters without j, k, q, x or z
(so of three such letters in a row no two neighbours stay alone), and the words and runs of signs in `KNOWN`. A token
is at least a byte. `make tokens` checks all of that against the vocabulary itself.
"""

import re
from collections import Counter
from functools import lru_cache

PIECE = re.compile(r"[A-Za-z]+|[0-9]+| +|[!-/:-@\[-`{-~]+[\r\n]*|[^\x00-\x7f]+|[\x00-\x1f\x7f]")
COMMON = re.compile(r"[a-ilmnoprstuvwy]+")
DIGITS = 3
SPACES = 79

WORDS = """
a after again and app approved ask asked at before by call can cat change changes code com country
created currency cursor db disk display do example failed family gb get have held host hostname
human id in is it ip list memory month name next no not note of open operation os or out pass plan
plans power price region regions result running server servers size start state status stop template
that the there this to total type ubuntu up us version wait was web with you your Start Linux
Windows Business Standard Medium Premium NO SE DE FR EUR cpu mb UTC CPU OS core small large test
prod dev api node net org io internal
"""
SIGNS = {
    **dict.fromkeys(('","', '":"', '":', ',"', '{"', '"}', '"]', '"},{"', '"],', "}]"), 1),
    **dict.fromkeys(('":{"', '":[{"', '"}],"', '"}]', '":["', '"],"', '"}}', '"},"'), 2),
}
KNOWN = {**dict.fromkeys(WORDS.split(), 1), **SIGNS}


def tokens(text: str) -> int:
    """Return a number of tokens that a text does not exceed."""
    return sum(count * _most(piece) for piece, count in Counter(PIECE.findall(text)).items())


@lru_cache(maxsize=4096)
def _most(piece: str) -> int:
    known = KNOWN.get(piece)
    if known is not None:
        return known
    first = piece[0]
    if first > "\x7f":
        return len(piece.encode("utf-8", "surrogatepass"))
    if first == " ":
        return min(len(piece), 2) + len(piece) // SPACES
    if first.isdigit():
        return -(-len(piece) // DIGITS)
    return _letters(piece) if first.isalpha() else len(piece)


def _letters(word: str) -> int:
    runs = COMMON.findall(word)
    alone = len(word) - sum(len(run) for run in runs)
    return alone + sum((2 * len(run) + 2) // 3 for run in runs)
