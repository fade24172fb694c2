"""`make tokens`: counts the tools' tokens with the vocabulary itself, and holds `tests/tokens/limit.py` against it.

Takes the folder of the npm package gpt-tokenizer. Writes `counts.json`; exits 1 where the bound is below a count.
"""

import json
import random
import string
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.tokens.counts import keep, texts
from tests.tokens.limit import COMMON, DIGITS, KNOWN, SPACES, tokens

SCRIPT = Path(__file__).with_name("count.mjs")
MIXED = string.ascii_letters + string.digits + " \n\t\"'{}[]:,._-/\\<>!?#$%&()*+=@^`|~é日🙂\u202e\u0301ǅª²٣ﷺ"
PIECES = (
    *KNOWN,
    "web01.example.com",
    "203.0.113.10",
    "b5c6d7e8-f9a0-1234",
    "QZXJ",
    "HTTPServer",
    "don't",
    "日本",
    "0000000",
)
BEFORE = ("", '"', " ", "_", ".", "-", "(", "/", "\n")


def count(package: str, some: Sequence[str]) -> list[int]:
    """Return the exact number of tokens of each text."""
    done = subprocess.run(
        ["node", str(SCRIPT), package], input=json.dumps(list(some)), capture_output=True, text=True, check=True
    )
    document: list[int] = json.loads(done.stdout)
    return document


def assumed() -> list[str]:
    """Return the texts that must be one token each for the bound to hold."""
    common = [item for item in string.ascii_lowercase if COMMON.fullmatch(item)]
    pairs = [first + second for first in common for second in common]
    numbers = [f"{number:0{digits}}" for digits in range(1, DIGITS + 1) for number in range(10**digits)]
    return [*pairs, *numbers, *(" " * length for length in range(1, SPACES + 1))]


def samples(number: int) -> list[str]:
    """Return texts made at random from signs and from pieces of results; the same each time."""
    choose = random.Random(1)  # noqa: S311 - no secret
    signs = ["".join(choose.choices(MIXED, k=choose.randint(1, 40))) for _ in range(number)]
    pieces = ["".join(choose.choices(PIECES, k=choose.randint(1, 12))) for _ in range(number)]
    return [*signs, *pieces, *(f"{before}{piece}" for before in BEFORE for piece in KNOWN)]


def main(package: str) -> int:
    """Count, keep and compare; returns the exit code."""
    named = texts()
    counted = dict(zip(named, count(package, list(named.values())), strict=True))
    keep(counted)
    whole = assumed()
    several = [text for text, result in zip(whole, count(package, whole), strict=True) if result != 1]
    tried = [*samples(50_000), *named.values()]
    over = [text for text, result in zip(tried, count(package, tried), strict=True) if result > tokens(text)]
    tools = sum(value for name, value in counted.items() if name != "instructions")
    print(f"{tools} tokens for the tools, {counted['instructions']} for the instructions")  # noqa: T201
    for text in (*several[:5], *over[:5]):
        print(f"the bound does not hold for {text!r}")  # noqa: T201
    return 1 if several or over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
