"""The arguments of an operation by their kinds, from which parsers, menus, schemas and completions are derived."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails


class ArgumentKind(StrEnum):
    """The kind of value that an argument takes."""

    SERVER = "server"
    SNAPSHOT = "snapshot"
    BACKUP = "backup"
    FIREWALL_RULE = "firewall_rule"
    PLAN = "plan"
    REGION = "region"
    SYSTEM = "system"
    HOSTNAME = "hostname"
    TEXT = "text"  # at the terminal and in Slack: the rest of the words
    NAME = "name"
    LABELS = "labels"  # words such as team=shop or old-
    NUMBER = "number"
    CHOICE = "choice"
    SCHEDULE = "schedule"
    DURATION = "duration"  # such as 3d
    KEYS = "keys"
    ADDRESS = "address"
    SECRET = "secret"  # noqa: S105 - a kind, no secret


OF_SERVER: Final = frozenset({ArgumentKind.SNAPSHOT, ArgumentKind.BACKUP, ArgumentKind.FIREWALL_RULE})
"""Kinds with the values of one server."""


@dataclass(frozen=True, slots=True)
class ArgumentSpec:
    """The kind of an argument and its label for people; metadata of a pydantic field.

    `word` is the key of `word=value` where it is not the field's name; `choices` are all values of a `CHOICE`.
    """

    kind: ArgumentKind
    label: str
    word: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operation."""

    name: str
    spec: ArgumentSpec
    required: bool
    description: str = ""
    many: bool = False  # it takes a list

    @property
    def word(self) -> str:
        """The key of `word=value`."""
        return self.spec.word or self.name

    @property
    def placeholder(self) -> str:
        """The argument in a line of usage: `SNAPSHOT`, or `[plan=PLAN]` where it may be left out."""
        if self.spec.kind is ArgumentKind.LABELS:
            return "KEY=VALUE|KEY-..."
        shown = "|".join(self.spec.choices) or self.word.upper().replace("_", " ")
        return shown if self.required else f"[{self.word}={shown}]"


class Arguments(BaseModel):
    """Base of every operation's arguments: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def arguments_of(kind: type[Arguments]) -> tuple[Argument, ...]:
    """Return an operation's arguments in their order; a field without a spec is text, labelled by its name."""
    return tuple(_argument(name, info) for name, info in kind.model_fields.items())


def specs_of(kind: type[Arguments]) -> Mapping[str, ArgumentSpec]:
    """Return the specs of an operation's arguments by their names."""
    return {argument.name: argument.spec for argument in arguments_of(kind)}


def _argument(name: str, info: FieldInfo) -> Argument:
    specs = [spec for spec in info.metadata if isinstance(spec, ArgumentSpec)]
    spec = specs[0] if specs else ArgumentSpec(ArgumentKind.TEXT, name.replace("_", " ").capitalize())
    many = get_origin(info.annotation) in {tuple, list, dict, set, frozenset}
    return Argument(name, spec, info.is_required(), info.description or "", many)


PROBLEMS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "there is no such argument",
    "string_type": "is text",
    "string_too_long": "has at most {max_length} characters",
    "string_too_short": "is missing",
    "int_type": "is a whole number",
    "int_parsing": "is a whole number",
    "int_from_float": "is a whole number",
    "less_than_equal": "is at most {le}",
    "greater_than_equal": "is at least {ge}",
    "literal_error": "is {expected}",
    "too_long": "has at most {max_length} entries",
    "list_type": "is a list",
    "tuple_type": "is a list",
}
"""What a value is or has, by pydantic's names of errors."""


def problem_text(error: ErrorDetails) -> str:
    """Return what is wrong with a value, for people; the words of a validator of ours are its own."""
    words = PROBLEMS.get(error["type"])
    if words is None:
        return error["msg"].removeprefix("Value error, ")
    return words.format_map({name: str(value).replace("'", "") for name, value in error.get("ctx", {}).items()})
