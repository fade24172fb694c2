"""Writes the ceilings, lower ones where a count went down and never higher ones, and the table of figures."""

import sys
from itertools import groupby

from tests.house.counts import CEILINGS, ceilings, counts
from tests.house.figures import write_table

HEAD = """# Ceilings of what the style page advises against: see tests/house/__init__.py. They only go down.
# `words` are counted in 10,000 lines, their aims are in words.toml; the aim of every rule is 0.
"""


def main() -> int:
    """Write both; a count above its ceiling stays for the test to find."""
    known = ceilings() if CEILINGS.exists() else {}
    text = HEAD
    for section, some in groupby(counts().values(), key=lambda count: count.section):
        text += f"\n[{section}]\n"
        for count in some:
            lowest = max(min(count.ceiling, known.get((section, count.name), count.ceiling)), count.aim)
            text += f'"{count.name}" = {lowest:g}\n'
    CEILINGS.write_text(text, encoding="utf-8")
    write_table()
    return 0


if __name__ == "__main__":
    sys.exit(main())
