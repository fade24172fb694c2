"""Writes the golden values from the code, where a release changes one on purpose."""

import sys
import tempfile
from pathlib import Path

import anyio

from tests.golden import VALUES, story
from tests.golden.collection import COLLECTED, as_text


def main() -> int:
    """Write every file but `words.json`."""
    with tempfile.TemporaryDirectory() as folder:
        results = {name: values(Path(folder)) for name, values in COLLECTED.items()}
        results["story"] = anyio.run(story.values, Path(folder))
    for name, values in results.items():
        (VALUES / f"{name}.json").write_text(as_text(values), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
