"""What all tables of `vpsops.toml` have in common: strict models, and one way to say what is wrong with a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Final, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

CUSTOM: Final = "vpsops"
"""The type of pydantic's errors that carry our own words."""
PLAIN: Final[Mapping[str, str]] = {
    "model_type": "it takes a table of keys",
    "string_type": "it takes a text, in quotes",
    "int_type": "it takes a whole number",
    "float_type": "it takes a number",
    "bool_type": "it takes true or false",
}


class WrittenTable(BaseModel):
    """A table as written: no unknown key, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    EXAMPLES: ClassVar[Mapping[str, str]] = {}
    """What to do about a key that is missing, or has not the form it takes."""
    FORMS: ClassVar[Mapping[str, str]] = {}
    """The form that a key's text takes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a table: the key, what is the matter, and what to do."""

    key: tuple[str, ...]
    message: str
    hint: str = ""


def schema_problem(error: ValidationError, model: type[WrittenTable], title: str) -> Problem:
    """Return the first problem of a table; an unknown key comes first, for it explains one that is missing."""
    return schema_problems(error, model, title)[0]


def schema_problems(error: ValidationError, model: type[WrittenTable], title: str) -> list[Problem]:
    """Return all problems of a table; unknown keys come first, for they explain those that are missing."""
    errors = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    return [_problem(dict(each), model, title) for each in errors]


def _problem(error: dict[str, Any], model: type[WrittenTable], title: str) -> Problem:
    key = tuple(part for part in error["loc"] if isinstance(part, str))
    name = ".".join(safe_word(part) for part in key) or title
    return Problem(key, *_described(error, name, key[-1] if key else "", table_at(model, key[:-1])))


def _described(error: dict[str, Any], name: str, key: str, table: type[WrittenTable]) -> tuple[str, str]:
    match error["type"]:
        case "extra_forbidden":
            known = tuple(field.alias or own for own, field in table.model_fields.items())
            return f"unknown key {name}.", nearest_hint(key, known)
        case "missing":
            return f"{name} is missing.", table.EXAMPLES.get(key, "")
        case "literal_error":
            choices = get_args(table.model_fields[key].annotation)
            return f"unknown {name} {safe_word(str(error['input']))}.", nearest_hint(str(error["input"]), choices)
        case "string_pattern_mismatch" if key in table.FORMS:
            return f"{name}: it takes {table.FORMS[key]}.", table.EXAMPLES.get(key, "")
        case kind if kind == CUSTOM:
            return f"{name}: {error['ctx']['text']}.", str(error["ctx"]["hint"])
        case kind:
            return f"{name}: {PLAIN.get(kind) or error['msg'][:1].lower() + error['msg'][1:]}.", ""


def table_at(model: type[WrittenTable], key: Sequence[str]) -> type[WrittenTable]:
    """Return the model of a table inside another."""
    for part in key:
        kinds = (model.model_fields[part].annotation, *get_args(model.model_fields[part].annotation))
        model = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, WrittenTable))
    return model


def nearest_hint(word: str, known: Sequence[str]) -> str:
    """Return a hint: the nearest word there is, or all of them."""
    nearest = get_close_matches(word.lower(), known, n=1)
    return f"Did you mean {nearest[0]}?" if nearest else f"There are {', '.join(known)}."


def safe_word(word: str) -> str:
    """Return a word of the file fit for a message."""
    return word if word.isprintable() and 0 < len(word) <= 60 else f"{word[:60]!r}"  # noqa: PLR2004 - a line's worth


def schema_error(message: str, hint: str = "") -> PydanticCustomError:
    """Return an error that pydantic carries to its place, with a hint."""
    return PydanticCustomError(CUSTOM, "{text}", {"text": message, "hint": hint})


def one_of(name: str, known: Sequence[str]) -> AfterValidator:
    """Let only known words through."""

    def check(words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if word not in known:
                raise schema_error(f"unknown {name} {safe_word(word)}", nearest_hint(word, known))
        return words

    return AfterValidator(check)


def _listed(value: object) -> object:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise schema_error("it takes a text or a list of texts")
    if not listed:
        raise schema_error("an empty list matches nothing", "Leave the key out to match everything.")
    twice = next((word for index, word in enumerate(listed) if word in listed[:index]), None)
    if twice is not None:
        raise schema_error(f"{safe_word(twice)} stands there twice")
    return tuple(listed)


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
