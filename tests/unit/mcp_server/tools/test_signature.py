"""Arguments as hosts spell them: how each spelling is read, which stay unchanged, and the text of refusals."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from tests.unit.mcp_server.tools.tool_snapshots import all_tools
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.mcp_server.presenters.projection import FIELDS
from vpsops.mcp_server.tools.check import unlisted_arguments
from vpsops.mcp_server.tools.parameters import SIGNATURES
from vpsops.mcp_server.tools.signature import Signature, fits

EMPTY: tuple[Json, ...] = (None, "", " \t", [], {}, "[]", "{}", "null")
PYTHON = (
    "tuple",
    "NoneType",
    "dict",
    "str ",
    "bool",
    "int_",
    "float",
    "pydantic",
    "input",
    "Input",
    "Value error",
    "valid ",
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
SAMPLE = Signature(
    "vps_sample",
    {
        "name": {"type": "string", "maxLength": 5},
        "kind": {"type": "string", "enum": ["held", "failed"]},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        "seconds": {"type": "number", "minimum": 0, "maximum": 45},
        "open": {"type": "boolean"},
        "keys": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "fields": {"type": "array", "items": {"type": "string", "enum": ["id", "plan"]}},
        "operation": {"type": "string", "enum": ["stop", "snapshot_create"]},
        "labels": {"type": "array", "items": {"type": "string"}},
        "values": {"type": "array", "items": {"type": "string"}},
        "label": {"type": "string"},
        "servers": {"type": "array", "items": {"type": "string"}},
    },
    frozenset({"name"}),
)


def test_every_tool_has_its_signature() -> None:
    """It takes what the schema shows, in the same order, and the same must be there."""
    tools = {tool.name: tool for tool in all_tools()}
    assert set(SIGNATURES) == set(tools)
    for name, tool in tools.items():
        schema = tool.input_schema
        unlisted = unlisted_arguments() if name == "vps_check" else {}
        assert list(SIGNATURES[name].properties) == [*schema.get("properties", {}), *unlisted]
        assert SIGNATURES[name].required == set(schema.get("required", ()))


@pytest.mark.requirement("mcp-one-meaning")
@pytest.mark.parametrize("tool", sorted(SIGNATURES))
@pytest.mark.parametrize("empty", [None, "", " ", []])
def test_missing_null_and_empty_are_one(tool: str, empty: Json) -> None:
    """For every argument of every tool, one by one and all together, and for a name that there is not."""
    signature = SIGNATURES[tool]
    for name in (*signature.properties, "colour"):
        assert signature.read({name: empty}) == {}
    assert signature.read(dict.fromkeys(signature.properties, empty)) == {}


@pytest.mark.parametrize("given_", [*EMPTY, {"arguments": None}, {"arguments": "{}"}, {"arguments": {}}])
def test_no_arguments_at_all_have_many_spellings(given_: Json) -> None:
    """Null, empty, and the texts of these, also under the name that a host has wrapped them in."""
    assert SAMPLE.read(given_) == {}


@pytest.mark.requirement("mcp-one-meaning")
@pytest.mark.parametrize(
    ("name", "spelled", "read"),
    [
        ("fields", '["id", "plan"]', ["id", "plan"]),
        ("fields", "id,plan", ["id", "plan"]),
        ("fields", "id, PLAN", ["id", "plan"]),
        ("fields", '"id"', ["id"]),
        ("fields", ["id", None, ""], ["id"]),
        ("keys", "ssh-ed25519 AAAA ann@laptop, at home", ["ssh-ed25519 AAAA ann@laptop, at home"]),
        ("keys", ' ["a", "b"] ', ["a", "b"]),
        ("keys", "[a", ["[a"]),
        ("limit", "3", 3),
        ("limit", "3.0", 3),
        ("limit", 3.0, 3),
        ("limit", " 3 ", 3),
        ("seconds", "2.5", 2.5),
        ("seconds", 0, 0),
        ("open", "true", True),
        ("open", "False", False),
        ("open", 0, False),
        ("kind", "HELD", "held"),
        ("name", 1234, "1234"),
        ("name", " a ", "a"),
        ("name", ["a"], "a"),
        ("limit", ["3"], 3),
        ("open", [True], True),
        ("kind", ["HELD"], "held"),
        ("operation", "vps_snapshot_create", "snapshot_create"),
        ("operation", "Snapshot-Create", "snapshot_create"),
        ("labels", {"team": "shop", "level": 3, "old": True}, ["team=shop", "level=3", "old=true"]),
        ("labels", '{"team": "shop"}', ["team=shop"]),
        ("labels", "team=shop, env=prod", ["team=shop", "env=prod"]),
        ("labels", "old-", ["old-"]),
        ("values", {"size": 4}, ["size=4"]),
        ("values", "note=one, two", ["note=one, two"]),
        ("label", {"team": "shop"}, "team=shop"),
        ("servers", "web01,web02", ["web01", "web02"]),
        ("servers", '["web01", "web02"]', ["web01", "web02"]),
    ],
)
def test_a_spelling_without_a_guess_is_read(name: str, spelled: Json, read: Json) -> None:
    """JSON text is decoded, a number may be a text, a single value is a list of it."""
    result = SAMPLE.read({name: spelled})
    assert result == {name: read}
    assert type(result[name]) is type(read) or name == "seconds"
    assert fits(SAMPLE.properties[name], result[name])
    wrapped = SAMPLE.read({"arguments": {name: spelled}})
    assert wrapped == result


@pytest.mark.parametrize(
    ("name", "wrong", "text"),
    [
        ("limit", True, "limit: must be a whole number from 1 to 100, not true."),
        ("limit", "3.5", "limit: must be a whole number from 1 to 100, not “3.5”."),
        ("limit", 0, "limit: must be a whole number from 1 to 100, not 0."),
        ("limit", 101, "not 101."),
        ("limit", 10**400, "not a number that is too large."),
        ("limit", "9" * 500, "limit: must be a whole number from 1 to 100, not “9999"),
        ("limit", "٣", "not “٣”."),
        ("seconds", float("nan"), "seconds: must be a number from 0 to 45, not no number."),
        ("seconds", float("inf"), "not a number that is too large."),
        ("open", "maybe", "open: must be true or false, not “maybe”."),
        ("open", 2, "open: must be true or false, not 2."),
        ("kind", "done", "kind: must be one of held, failed, not “done”."),
        ("name", "toolong", "name: must be text of at most 5 characters, not “toolong”."),
        ("name", ["a", "b"], "name: must be text of at most 5 characters, not a list of 2."),
        ("name", [["a"]], "not a list of 1."),
        ("", 1, "vps_sample: “”: there is no such argument."),
        ("labels", {"team": ["shop"]}, "not an object."),
        ("labels", {"team": None}, "not an object."),
        ("name", True, "not true."),
        ("fields", ["id", "colour"], "fields: must be a list, each one of id, plan, not “colour”."),
        ("fields", {"id": True}, "not an object."),
        ("fields", '{"id": true}', 'not “{"id": true}”.'),
        ("keys", ["a", "b", "c"], "keys: must be a list, at most 2 of them, each text, not a list of 3."),
        ("colour", "red", "colour: there is no such argument."),
        ("LIMIT", 3, "LIMIT: there is no such argument. Did you mean limit?"),
    ],
)
def test_what_does_not_fit_is_said_in_the_schemas_words(name: str, wrong: Json, text: str) -> None:
    """The argument and its tool, the accepted and the received value, and the names of all arguments."""
    with pytest.raises(InvalidInputError) as refused:
        SAMPLE.check({"name": "a"} | SAMPLE.read({name: wrong}))
    assert refused.value.message.startswith("vps_sample: ")
    assert text in refused.value.message
    assert refused.value.hint.endswith(SAMPLE.takes())
    assert SAMPLE.takes().startswith("vps_sample takes: name; optional: kind, limit, seconds, open, keys, fields, ")


@pytest.mark.requirement("mcp-one-meaning")
def test_all_that_is_wrong_is_said_at_once() -> None:
    """Invalid, unknown and missing arguments in one refusal, so that a second call can be right."""
    with pytest.raises(InvalidInputError) as refused:
        SAMPLE.check(SAMPLE.read({"limit": "ten", "kind": "done", "colour": "red"}))
    assert refused.value.message == (
        "vps_sample: limit: must be a whole number from 1 to 100, not “ten”."
        " kind: must be one of held, failed, not “done”. colour: there is no such argument. name: is missing."
    )
    with pytest.raises(InvalidInputError) as missing:
        SIGNATURES["vps_create"].check({"region": {"code": "oslo"}, "plan": True})
    assert "region: must be text" in missing.value.message
    assert "hostname, os_template: are missing." in missing.value.message
    for tool in ("vps_plans", "vps_regions", "vps_os_templates"):
        assert f"{tool} lists" in missing.value.hint


def test_a_refusal_of_many_arguments_is_short() -> None:
    """A model that made up a hundred arguments reads of eight, and how many more."""
    with pytest.raises(InvalidInputError) as refused:
        SAMPLE.check({"name": "a"} | {f"colour{number}": 1 for number in range(100)})
    assert refused.value.message.count("there is no such argument") == 8
    assert refused.value.message.endswith("92 more are wrong.")


@pytest.mark.parametrize("given_", [5, True, "x", ["a"], "[1]", {"arguments": "x"}])
def test_arguments_that_are_no_object_are_refused_as_such(given_: Json) -> None:
    """The model reads that an object is wanted, not that an argument is unknown."""
    with pytest.raises(InvalidInputError, match="vps_sample: arguments: must be a JSON object, not"):
        SAMPLE.check(SAMPLE.read(given_))


@pytest.mark.parametrize("tool", sorted(SIGNATURES))
def test_what_is_missing_is_named_with_where_to_find_it(tool: str) -> None:
    """All that is missing at once, and the tool that lists what may be there."""
    signature = SIGNATURES[tool]
    if not signature.required:
        signature.check({})
        return
    with pytest.raises(InvalidInputError) as refused:
        signature.check({})
    message, hint = refused.value.message, refused.value.hint
    assert all(name in message for name in signature.required)
    assert message.startswith(f"{tool}: ")
    assert message.endswith(" is missing." if len(signature.required) == 1 else " are missing.")
    assert all(
        f"vps_{name}s lists" in hint for name in signature.required & {"plan", "region", "os_template", "change"}
    )
    assert f"{tool} takes: " in hint


@settings(max_examples=examples(40))
@given(
    st.sampled_from(sorted(SIGNATURES)),
    JSON_VALUES | st.dictionaries(st.sampled_from(["server", "limit", "fields", "state", "seconds", "x"]), JSON_VALUES),
)
def test_anything_is_read_and_told_without_a_word_of_python(tool: str, anything: Any) -> None:
    """Whatever comes: it is read once (reading it again changes nothing), and either fits or is refused in words."""
    signature = SIGNATURES[tool]
    read = signature.read(anything)
    assert repr(signature.read(read)) == repr(read)
    refusal_text = refusal(signature, read)
    assert refusal_text or set(read) <= set(signature.properties)
    ours = refusal_text.split(", not ", 1)[0].split(": there is no such", 1)[0]
    assert not [word for word in PYTHON if word in ours]
    assert len(refusal_text) < 1_500


def refusal(signature: Signature, read: Mapping[str, Json]) -> str:
    """Return the refusal of arguments; empty where they fit."""
    try:
        signature.check(read)
    except InvalidInputError as error:
        return str(error) if f"{signature.tool} takes: " in error.hint else ""
    return ""


def test_every_field_that_is_taken_is_in_the_schema() -> None:
    """A host that validates arguments against the schema keeps none of them back."""
    listed = {tool.name: tool for tool in all_tools()}["vps_list"]
    assert listed.input_schema["properties"]["fields"]["items"] == {"type": "string", "enum": list(FIELDS)}
