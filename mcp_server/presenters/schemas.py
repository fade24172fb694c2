"""From a pydantic model to the JSON Schema a model reads: inline, without titles, as few tokens as it takes."""

from collections.abc import Mapping, Sequence
from functools import cache

from pydantic import BaseModel, JsonValue
from pydantic.json_schema import JsonSchemaMode

from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.registry import NoArguments

Schema = dict[str, JsonValue]

TITLES = frozenset({"title", "$defs", "default", "format", "readOnly"})  # not every host knows the last two
NOISE = TITLES | {"maximum", "maxLength", "maxItems"}  # a bound is named when it is passed
INNER = ("items", "additionalProperties")
OBVIOUS = ({"minimum": 1}, {"minimum": 0})  # that one asks for something needs no words


def input_schema(arguments: type[Arguments], view: type[Arguments] = NoArguments, *, reason: bool) -> Schema:
    """Return a tool's input schema: its operation's arguments, those of the view, and the note for an approver.

    `additionalProperties` is left out: it costs six tokens a tool, and the refusal names the arguments that exist.
    """
    raw = _raw(arguments, "validation")
    properties = {**_properties(raw), **_properties(_raw(view, "validation"))}
    if reason:
        properties["reason"] = {"type": "string"}
    return _object(properties, raw)


def bounded_properties(arguments: type[Arguments], view: type[Arguments] = NoArguments) -> dict[str, Schema]:
    """Return the schema of each argument with all its bounds, for checks and error texts."""
    raws = (_raw(arguments, "validation"), _raw(view, "validation"))
    return {name: _mapping(schema) for raw in raws for name, schema in _properties(raw, TITLES).items()}


def required_names(arguments: type[Arguments]) -> frozenset[str]:
    """Return the names of the arguments that must be there."""
    return frozenset(name for name, field in arguments.model_fields.items() if field.is_required())


def output_schema(result: type[BaseModel]) -> Schema:
    """Return the schema of a tool's structured content; unknown values are absent, so nothing is null."""
    raw = _raw(result, "serialization")
    return _object(_properties(raw), raw)


def chosen_schema(result: type[BaseModel], always: Sequence[str], inside: str = "") -> Schema:
    """Return the output schema with chosen fields: only `always` are required, in each item of the list `inside`."""
    schema = output_schema(result)
    if not inside:
        return {**schema, "required": list(always)}
    properties = _mapping(schema["properties"])
    items = {
        name: value for name, value in _mapping(_mapping(properties[inside])["items"]).items() if name != "required"
    }
    items |= {"required": list(always)} if always else {}
    return {**schema, "properties": {**properties, inside: {**_mapping(properties[inside]), "items": items}}}


@cache  # pydantic takes some 3 ms each, for every server that is built
def _raw(model: type[BaseModel], mode: JsonSchemaMode) -> Mapping[str, JsonValue]:
    return model.model_json_schema(mode=mode)


def _object(properties: dict[str, JsonValue], raw: Mapping[str, JsonValue]) -> Schema:
    required = raw.get("required")
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _properties(raw: Mapping[str, JsonValue], noise: frozenset[str] = NOISE) -> dict[str, JsonValue]:
    definitions = _mapping(raw.get("$defs"))
    return {
        name: _lean(_mapping(schema), definitions, noise) for name, schema in _mapping(raw.get("properties")).items()
    }


def _lean(raw: Mapping[str, JsonValue], definitions: Mapping[str, JsonValue], noise: frozenset[str]) -> Schema:
    resolved = _resolve(_without_null(_resolve(raw, definitions)), definitions)
    obvious = OBVIOUS if noise is NOISE else ()
    schema: Schema = {key: value for key, value in resolved.items() if key not in noise and {key: value} not in obvious}
    for key in INNER:
        if isinstance(schema.get(key), dict):
            schema[key] = _lean(_mapping(schema[key]), definitions, noise)
    if "properties" in schema:
        schema["properties"] = _properties({**schema, "$defs": dict(definitions)}, noise)
    return schema


def _resolve(raw: Mapping[str, JsonValue], definitions: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Put a definition in its reference's place; a model's docstring is for us, a field's description for them."""
    reference = raw.get("$ref")
    if not isinstance(reference, str):
        return dict(raw)
    target = _mapping(definitions[reference.rsplit("/", 1)[-1]])
    inlined = {key: value for key, value in target.items() if key not in {"description", "additionalProperties"}}
    return {**inlined, **{key: value for key, value in raw.items() if key != "$ref"}}


def _without_null(raw: dict[str, JsonValue]) -> dict[str, JsonValue]:
    choices = raw.get("anyOf")
    if not isinstance(choices, list):
        return raw
    real = [choice for choice in choices if _mapping(choice).get("type") != "null"]
    rest = {key: value for key, value in raw.items() if key != "anyOf"}
    return {**_mapping(real[0]), **rest} if len(real) == 1 else {**rest, "anyOf": real}


def _mapping(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}
