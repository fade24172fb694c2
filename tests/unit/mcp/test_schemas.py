"""Schemas from models: inline, lean, and true to what is accepted."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from core.operations.registry import Arguments
from mcp_server.schemas import input_schema, output_schema


class Colour(StrEnum):
    """Told to nobody."""

    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    """Told to nobody either."""

    name: str
    colour: Colour | None = None


class Outer(BaseModel):
    """Nor this."""

    title: str
    inner: Inner | None = Field(None, description="the one within")
    many: list[Inner] = []
    either: int | str = 0
    free: dict[str, JsonValue] = {}
    counted: dict[str, Inner] = {}


class Wanted(Arguments):
    """Nor that."""

    name: str
    limit: Annotated[int, Field(ge=1, le=9)] = 5
    colour: Annotated[Colour | None, Field(description="of the thing")] = None


INNER = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "colour": {"type": "string", "enum": ["red", "blue"]}},
    "required": ["name"],
}


def test_references_are_put_in_place() -> None:
    """Nested models, enums, lists and maps are inline; only a field's own description stays."""
    assert output_schema(Outer) == {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "inner": {**INNER, "description": "the one within"},
            "many": {"type": "array", "items": INNER},
            "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "free": {"type": "object", "additionalProperties": {}},
            "counted": {"type": "object", "additionalProperties": INNER},
        },
        "required": ["title"],
    }


def test_arguments_are_closed_and_may_carry_a_reason() -> None:
    """An optional argument is one that may be left out; unknown ones are refused."""
    schema = input_schema(Wanted, reason=True)
    assert schema == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "limit": {"type": "integer", "maximum": 9},
            "colour": {"type": "string", "enum": ["red", "blue"], "description": "of the thing"},
            "reason": {"type": "string"},
        },
        "required": ["name"],
        "additionalProperties": False,
    }


def test_no_arguments_are_the_shortest_schema() -> None:
    """A tool that takes nothing says just that."""

    class Nothing(Arguments):
        pass

    assert input_schema(Nothing, reason=False) == {"type": "object", "additionalProperties": False}
