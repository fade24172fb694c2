"""How Slack's clients turn what a person picks or types into state values."""

from collections.abc import Iterable, Sequence
from typing import Any

from vpsops.playground.slack.rendering.limits import offered_options
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.slack.workspace.state import children

Entered = dict[tuple[str, str], Json]
Value = str | Sequence[str] | Json | None

SINGLE = {
    "plain_text_input": "value",
    "number_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "static_select": "selected_option",
    "external_select": "selected_option",
    "radio_buttons": "selected_option",
    "overflow": "selected_option",
}
SEVERAL = {
    "checkboxes": "selected_options",
    "multi_static_select": "selected_options",
    "multi_external_select": "selected_options",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
}
INITIAL = {
    "value": "initial_value",
    "selected_date": "initial_date",
    "selected_time": "initial_time",
    "selected_date_time": "initial_date_time",
    "selected_user": "initial_user",
    "selected_channel": "initial_channel",
    "selected_conversation": "initial_conversation",
    "selected_option": "initial_option",
    "selected_options": "initial_options",
    "selected_users": "initial_users",
    "selected_channels": "initial_channels",
    "selected_conversations": "initial_conversations",
}


class NotOnScreenError(Exception):
    """The element that a person is to use is not there, or the client does not allow its use."""


def elements_of(blocks: Iterable[Json]) -> list[tuple[Json, Json]]:
    """Return every (block, element) a person can use, in reading order."""
    results: list[tuple[Json, Json]] = []
    for block in blocks:
        listed = block.get("elements", []) if block.get("type") in {"actions", "context_actions"} else []
        listed = listed + (block.get("actions", []) if block.get("type") == "card" else [])
        single = [block[name] for name in ("accessory", "element") if isinstance(block.get(name), dict)]
        results += [(block, each) for each in (*listed, *single) if "action_id" in each]
        results += elements_of(children(block))
    return results


def element_in(blocks: Iterable[Json], action_id: str, block_id: str = "") -> tuple[Json, Json]:
    """Return the block and element with this action id, in one block when named. Raises `NotOnScreenError`.

    Slack wants action ids to be unique within a block only.
    """
    there = elements_of(blocks)
    for block, element in there:
        if element["action_id"] == action_id and block_id in {"", block["block_id"]}:
            return block, element
    names = ", ".join(str(element["action_id"]) for _, element in there) or "nothing"
    raise NotOnScreenError(f"no element {action_id!r} here; there is {names}")


def picked(element: Json, value: Value, offered: Sequence[Json] = ()) -> Json:
    """Return the state of an element after the person's choice; `offered` are options from the app.

    Raises `NotOnScreenError` for an option that is not offered or a text the client refuses.
    """
    kind = str(element["type"])
    name = SINGLE.get(kind) or SEVERAL.get(kind)
    if name is None:
        raise NotOnScreenError(f"a {kind} holds no value")
    options = [*offered_options(element), *offered]
    if kind in SEVERAL:
        several = [value] if isinstance(value, str | dict) else list(value or ())
        chosen = [_option(options, each) if name == "selected_options" else each for each in several]
        return {"type": kind, name: chosen}
    if name == "selected_option":
        return {"type": kind, name: None if value is None else _option(options, value)}
    _typed(element, value)
    return {"type": kind, name: value}


def initial(element: Json) -> Json | None:
    """Return the state an element shows at first, None for one that holds none."""
    kind = str(element["type"])
    name = SINGLE.get(kind) or SEVERAL.get(kind)
    if name is None or kind == "overflow":
        return None
    return {"type": kind, name: element.get(INITIAL[name], [] if kind in SEVERAL else None)}


def state_values(blocks: Iterable[Json], entered: Entered) -> Json:
    """Return `state.values`: the entered value of each block and element, else its initial value."""
    values: Json = {}
    for block, element in elements_of(blocks):
        at = (str(block["block_id"]), str(element["action_id"]))
        held = entered.get(at) or initial(element)
        if held is not None:
            values.setdefault(at[0], {})[at[1]] = held
    return values


def missing_inputs(blocks: Sequence[Json], values: Json) -> list[str]:
    """Return the block ids of inputs that must be filled and are not."""
    missing = []
    for block in blocks:
        if block.get("type") != "input" or block.get("optional"):
            continue
        held = values.get(block["block_id"], {}).get(block["element"]["action_id"], {})
        content = [value for name, value in held.items() if name != "type"]
        if not any(content):
            missing.append(str(block["block_id"]))
    return missing


def _option(options: Sequence[Json], value: Any) -> Json:
    chosen = value.get("value") if isinstance(value, dict) else value
    for option in options:
        if option.get("value") == chosen:
            return {name: option[name] for name in ("text", "value", "description") if name in option}
    names = ", ".join(str(each.get("value")) for each in options) or "nothing"
    raise NotOnScreenError(f"no option {chosen!r} here; there is {names}")


def _typed(element: Json, value: Any) -> None:
    if element["type"] != "plain_text_input" or not value:
        return
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if not least <= len(value) <= most:
        raise NotOnScreenError(f"{element['action_id']} takes {least} to {most} characters, not {len(value)}")
