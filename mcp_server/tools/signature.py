"""A tool's arguments, by its own schema: reads them however a host spells them, and words the errors."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.mcp_server.presenters.schemas import Schema
from vpsops.mcp_server.protocol.text import join_nonempty, quote, sanitize

ARGUMENTS: Final = "arguments"
NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
TRUTHS: Final[Mapping[str, bool]] = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
LONGEST_JSON: Final = 100_000  # characters of a text that is read as JSON
LONGEST_NAME: Final = 60
MOST_WORDS: Final = 24  # values of an enum that a refusal names
MOST_PROBLEMS: Final = 8  # arguments that a refusal describes
TOOL_PREFIX: Final = "vps_"
PAIRS: Final = frozenset({"labels", "label", "values"})
"""Arguments of texts such as `key=value`, which a host may send as an object."""
JOINED: Final = frozenset({"labels", "servers"})
"""Lists of texts that hold no comma, so that one text with commas is several."""
CATALOGUES: Final[Mapping[str, str]] = {
    "server": "vps_list lists the servers.",
    "plan": "vps_plans lists the plans.",
    "region": "vps_regions lists the regions.",
    "os_template": "vps_os_templates lists the operating systems.",
    "change": "vps_changes lists the changes.",
}
"""Where a model finds what an argument may be."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of one tool, in their order, each with its schema; `required` are those that must be there."""

    tool: str
    properties: Mapping[str, Schema]
    required: frozenset[str] = frozenset()

    def read(self, document: Json) -> dict[str, Json]:
        """Return arguments in the types of the schema; values that need a guess stay unchanged.

        Missing, null and empty are equal; JSON text is decoded; a number may be a text. A value other than an object is
        put under `arguments`, which no tool takes.
        """
        arguments = _object(document)
        if set(arguments) == {ARGUMENTS} and ARGUMENTS not in self.properties:
            arguments = _object(arguments[ARGUMENTS])
        read = {name: self._read(name, value) for name, value in arguments.items()}
        return {name: value for name, value in read.items() if not is_empty(value)}

    def check(self, arguments: Mapping[str, Json]) -> None:
        """Raise `InvalidInputError` for all invalid arguments: their names, what they accept, what to do next."""
        wrong = {name: problem for name, value in arguments.items() if (problem := self._problem(name, value))}
        missing = [name for name in self.properties if name in self.required and name not in arguments]
        if wrong or missing:
            problems = [*wrong.values(), _missing(missing)]
            hints = [CATALOGUES.get(name, "") for name in (*wrong, *missing) if name in self.properties]
            raise InvalidInputError(
                f"{self.tool}: {_listed(problems)}", hint=join_nonempty((*dict.fromkeys(hints), self.takes()), " ")
            )

    def refusal(self, name: str) -> InvalidInputError:
        """Return the error for an argument that passed `check` and was refused all the same."""
        where = name if name in self.properties else ARGUMENTS
        return InvalidInputError(f"{self.tool}: {where}: this value is not taken.", hint=self.takes())

    def refused(self, name: str, problem: str) -> InvalidInputError:
        """Return the error for an argument that passed `check`, with what its value has to be."""
        return InvalidInputError(f"{self.tool}: {name}: {problem}.", hint=self.takes())

    def takes(self) -> str:
        """Return the names of the arguments, and the required ones."""
        needed = [name for name in self.properties if name in self.required]
        rest = [name for name in self.properties if name not in self.required]
        if not self.properties:
            return f"{self.tool} takes: nothing."
        if not needed:
            return f"{self.tool} takes: {', '.join(rest)} (all optional)."
        optional = f"optional: {', '.join(rest)}" if rest else ""
        return f"{self.tool} takes: {join_nonempty((', '.join(needed), optional), '; ')}."

    def _read(self, name: str, value: Json) -> Json:
        """Return an argument's value in the type of its schema, where that takes no guess."""
        schema = self.properties.get(name, {})
        if name in PAIRS:
            value = _pairs(schema, value)
        if name in JOINED and isinstance(value, str) and not value.strip().startswith(("[", '"')):
            value = [*value.split(",")]
        return _read(schema, value)

    def _problem(self, name: str, value: Json) -> str:
        schema = self.properties.get(name)
        if schema is not None:
            return (
                ""
                if fits(schema, value)
                else f"{name}: must be {describe_schema(schema)}, not {_quoted(find_misfit(schema, value))}."
            )
        if name == ARGUMENTS:
            return f"{ARGUMENTS}: must be a JSON object, not {_quoted(value)}."
        near = get_close_matches(_snake(name), list(self.properties), n=1)
        shown = sanitize(name, LONGEST_NAME).strip() or quote("")
        return f"{shown}: there is no such argument.{f' Did you mean {near[0]}?' if near else ''}"


def _missing(names: Sequence[str]) -> str:
    return f"{', '.join(names)}: {'are' if len(names) > 1 else 'is'} missing." if names else ""


def _listed(problems: Sequence[str]) -> str:
    """Return the problems in one line, as many as a model can use at once."""
    real = [problem for problem in problems if problem]
    more = f"{len(real) - MOST_PROBLEMS} more are wrong." if len(real) > MOST_PROBLEMS else ""
    return join_nonempty((*real[:MOST_PROBLEMS], more), " ")


def is_empty(value: Json) -> bool:
    """Return whether a value is empty: hosts send null, an empty text or an empty list for an omitted argument."""
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def _object(document: Json) -> dict[str, Json]:
    unwrapped = _from_json(_from_json(document, "{"), "[")
    if is_empty(unwrapped):
        return {}
    return dict(unwrapped) if isinstance(unwrapped, dict) else {ARGUMENTS: unwrapped}


def decode_object(value: Json) -> Json:
    """Return the object that a text holds as JSON; any other value unchanged."""
    decoded = _from_json(value, "{")
    return decoded if isinstance(decoded, dict) else value


def _from_json(value: Json, first: str) -> Json:
    """Return the decoded JSON of a text that starts with `first`; any other value unchanged."""
    if not isinstance(value, str) or len(value) > LONGEST_JSON or not value.strip().startswith(first):
        return value
    try:
        decoded: Json = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return decoded


def _read(schema: Schema, value: Json) -> Json:
    if isinstance(value, str) and schema.get("type") != "string" and value.strip().lower() == "null":
        return None
    kind = str(schema.get("type"))
    if kind in SINGLE and isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list | dict):
        value = value[0]
    reader = READERS.get(kind)
    return value if reader is None else reader(schema, value)


def _pairs(schema: Schema, value: Json) -> Json:
    """Return an object, or its JSON text, as texts `key=value`: a list, or the one that a text can be."""
    pairs = _from_json(value, "{")
    if not isinstance(pairs, dict) or not pairs or not all(_is_scalar(item) for item in pairs.values()):
        return value
    texts: list[Json] = [f"{key}={_spelled(item)}" for key, item in pairs.items()]
    return texts[0] if schema.get("type") == "string" and len(texts) == 1 else texts


def _is_scalar(value: Json) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _spelled(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read_text(schema: Schema, value: Json) -> Json:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**18 else value
    if not isinstance(value, str):
        return value
    text = value.strip()
    return next((word for word in _words(schema) if _is_word(word, text)), text)


def _is_word(word: str, text: str) -> bool:
    """Return whether a text is a word of a fixed set; an operation may be named as its tool is."""
    return _snake(text).removeprefix(TOOL_PREFIX) == word.lower() or text.lower() == word.lower()


def _read_whole(_: Schema, value: Json) -> Json:
    number = _number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _read_number(_: Schema, value: Json) -> Json:
    number = _number(value)
    return value if number is None else number


def _number(value: Json) -> float | None:
    if isinstance(value, str):
        return float(value) if NUMBER.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 10**15 else None


def _read_truth(_: Schema, value: Json) -> Json:
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    return TRUTHS.get(word, value)


def _read_list(schema: Schema, value: Json) -> Json:
    """Read a list, its JSON text, or its one item; words of a fixed set may be one text, with commas."""
    of = _items(schema)
    items = _from_json(value, "[")
    if isinstance(items, str):
        single = _from_json(items, '"')
        text = single if isinstance(single, str) else items
        items = [*text.split(",")] if _words(of) else [text]
    if not isinstance(items, list):
        return items
    read = [_read(of, item) for item in items]
    return [item for item in read if not is_empty(item)]


READERS: Final[Mapping[str, Callable[[Schema, Json], Json]]] = {
    "string": _read_text,
    "integer": _read_whole,
    "number": _read_number,
    "boolean": _read_truth,
    "array": _read_list,
}


SINGLE: Final = frozenset({"string", "integer", "number", "boolean"})
"""Types of a single value, which a host may send in a list of one."""


def fits(schema: Schema, value: Json) -> bool:
    """Return whether a value that was read is what its schema takes."""
    kind = schema.get("type")
    if kind == "array":
        of = _items(schema)
        return isinstance(value, list) and len(value) <= _most(schema, "maxItems") and all(fits(of, v) for v in value)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in {"integer", "number"}:
        of_kind = isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
        return of_kind and _least(schema) <= _as_float(value) <= _most(schema, "maximum")
    words = _words(schema)
    return isinstance(value, str) and len(value) <= _most(schema, "maxLength") and (not words or value in words)


def find_misfit(schema: Schema, value: Json) -> Json:
    """Return the part of a value that does not fit: an item of a list, or all of it."""
    of = _items(schema)
    items = value if isinstance(value, list) and schema.get("type") == "array" else []
    return next((item for item in items if not fits(of, item)), value)


def describe_schema(schema: Schema) -> str:
    """Describe what a schema takes."""
    kind = schema.get("type")
    if kind == "array":
        most = f"at most {_most(schema, 'maxItems'):.0f} of them, " if "maxItems" in schema else ""
        return f"a list, {most}each {describe_schema(_items(schema))}"
    if kind == "boolean":
        return "true or false"
    if kind in {"integer", "number"}:
        return join_nonempty(("a whole number" if kind == "integer" else "a number", _range(schema)), " ")
    words = _words(schema)
    if words:
        return f"one of {', '.join(words[:MOST_WORDS])}"
    return f"text of at most {_most(schema, 'maxLength'):.0f} characters" if "maxLength" in schema else "text"


def _range(schema: Schema) -> str:
    least, most = _least(schema), _most(schema, "maximum")
    if math.isinf(most):
        return "" if math.isinf(least) else f"of {least:g} or more"
    return f"up to {most:g}" if math.isinf(least) else f"from {least:g} to {most:g}"


def _least(schema: Schema) -> float:
    return _as_float(schema.get("minimum", -math.inf))


def _most(schema: Schema, bound: str) -> float:
    return _as_float(schema.get(bound, math.inf))


def _as_float(value: Json) -> float:
    if not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _items(schema: Schema) -> Schema:
    items = schema.get("items")
    return items if isinstance(items, dict) else {}


def _words(schema: Schema) -> Sequence[str]:
    words = schema.get("enum")
    return [str(word) for word in words] if isinstance(words, list) else []


def _quoted(value: Json) -> str:
    """Return a value as a refusal quotes it: data, on one line, no longer than identifies the value."""
    if isinstance(value, list | dict):
        return f"a list of {len(value)}" if isinstance(value, list) else "an object"
    if isinstance(value, str):
        return quote(value, LONGEST_NAME)
    if isinstance(value, bool):
        return str(value).lower()
    number = _as_float(value)
    if math.isnan(number):
        return "no number"
    return f"{number:g}" if math.isfinite(number) else "a number that is too large"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|-| ", "_", name[:LONGEST_NAME]).lower()
