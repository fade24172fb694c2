"""Check renovate.json against the schema that Renovate's own package brings: `make renovate-check` (needs npm)."""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft7Validator

from tests.harness.repository import ROOT

CONFIG: Final = ROOT / "renovate.json"
PACKAGE: Final = "renovate@44.121.2"
SCHEMA: Final = "package/renovate-schema.json"


def faults(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the schema refuses, and keys that it does not know, which it lets pass."""
    for error in Draft7Validator(schema).iter_errors(config):
        yield f"{error.json_path}: {error.message[:300]}"
    known = {"$schema", *_property_names(schema)}
    for key in sorted(set(_keys(config)) - known):
        yield f"{key}: Renovate has no such option"


def _property_names(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        yield from schema.get("properties", {})
    for value in _children(schema):
        yield from _property_names(value)


def _keys(config: object) -> Iterator[str]:
    if isinstance(config, Mapping):
        yield from config
    for value in _children(config):
        yield from _keys(value)


def _children(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def main() -> int:
    """Bring the package, without what it needs to run, and compare; return 1 where something is wrong."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=name, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(name).glob("*.tgz")
        with tarfile.open(archive) as package:
            file = package.extractfile(SCHEMA)
            schema = json.load(file) if file else {}
    wrong = list(faults(json.loads(CONFIG.read_text(encoding="utf-8")), schema))
    for fault in wrong:
        sys.stderr.write(f"{CONFIG.name}: {fault}\n")
    if not wrong:
        sys.stdout.write(f"{CONFIG.name} is as the schema of {PACKAGE} has it.\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
