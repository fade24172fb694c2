"""Schemas from models: inline, lean, and true to what is accepted."""

import json
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field, JsonValue

from vpsops.core.operations.arguments import Arguments
from vpsops.mcp_server.presenters.projection import CatalogueProjection
from vpsops.mcp_server.presenters.schemas import Schema, chosen_schema, input_schema, output_schema


class Colour(StrEnum):
    """Absent from the schema."""

    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    """Absent from the schema too."""

    name: str
    colour: Colour | None = None


class Outer(BaseModel):
    """Absent from the schema as well."""

    title: str
    inner: Inner | None = Field(None, description="the one within")
    many: list[Inner] = []
    either: int | str = 0
    free: dict[str, JsonValue] = {}
    counted: dict[str, Inner] = {}


class SampleArguments(Arguments):
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


def test_arguments_are_lean_and_may_carry_a_reason() -> None:
    """An optional argument may be left out; bounds and closed schemas are reported only in refusals."""
    schema = input_schema(SampleArguments, reason=True)
    assert schema == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "limit": {"type": "integer"},
            "colour": {"type": "string", "enum": ["red", "blue"], "description": "of the thing"},
            "reason": {"type": "string"},
        },
        "required": ["name"],
    }


def test_no_arguments_are_the_shortest_schema() -> None:
    """A tool without arguments has the shortest schema."""

    class NoFields(Arguments):
        pass

    assert input_schema(NoFields, reason=False) == {"type": "object", "properties": {}}


def test_what_a_view_takes_stands_beside_the_arguments() -> None:
    """The choice of a result's fields is an argument like any other."""
    schema = input_schema(SampleArguments, CatalogueProjection, reason=False)
    alone = _whole(input_schema(SampleArguments, reason=False))["properties"]
    assert schema["properties"] == {
        **alone,
        "cursor": {"type": "string", "description": "next_cursor"},
        "name": {"type": "string"},
    }


def _whole(schema: Schema) -> Any:
    return json.loads(json.dumps(schema))


def test_fields_that_are_chosen_are_not_required() -> None:
    """Only fields that are always present are required, in the result or in each item of its list."""
    assert chosen_schema(Inner, ("name",))["required"] == ["name"]
    assert "required" not in _whole(chosen_schema(Outer, (), inside="many"))["properties"]["many"]["items"]
