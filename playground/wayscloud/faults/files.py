"""Reading rules: from a file, from a request, and by the name of a preset."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.wayscloud.faults.presets import PRESETS
from vpsops.playground.wayscloud.faults.rules import Fault

RULES: TypeAdapter[list[Fault]] = TypeAdapter(list[Fault])


def parse(document: object) -> list[Fault]:
    """Return the rules of one rule, a list of rules, or `{"faults": [...]}`. Raises `ValidationError`.

    `{"preset": "NAME"}` in the place of a rule expands to the rules of that preset.
    """
    if isinstance(document, dict):
        document = document["faults"] if set(document) == {"faults"} else [document]
    if isinstance(document, list):
        document = [rule for entry in document for rule in _of_preset(entry)]
    return RULES.validate_python(document)


def _of_preset(entry: object) -> Sequence[object]:
    if not isinstance(entry, dict) or set(entry) != {"preset"}:
        return [entry]
    known = PRESETS.get(str(entry["preset"]))
    # An unknown name becomes a rule without a kind, which is refused like any other wrong rule.
    return known.faults if known else [entry]


def load(path: Path) -> Sequence[Fault]:
    """Return the rules of a JSON or TOML file. Raises `ConfigurationError` that names the fault's place."""
    try:
        text = path.read_text(encoding="utf-8")
        return parse(tomllib.loads(text) if path.suffix == ".toml" else json.loads(text))
    except OSError as error:
        raise ConfigurationError(f"The fault file {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise ConfigurationError(f"The fault file {path} is not valid: {explain(error)}.") from error
    except ValueError as error:  # of the text, its encoding, or a number that is too long
        raise ConfigurationError(f"The fault file {path} is not valid: {error}.") from error


def explain(error: ValidationError) -> str:
    """Return a rule's fault in one line, bounded, without repeating the input."""
    problems = [f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in error.errors()]
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""  # noqa: PLR2004
    return "; ".join(problems[:3]) + more
