"""The form of an operation on one server: a control for each of its arguments, by its kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vpsops.bot.blocks.elements import Block, context, lines, option, pack, plain, section, way_back
from vpsops.bot.blocks.labels import action_verb
from vpsops.bot.messages.servers import first_line, second_line
from vpsops.bot.protocol import action_ids
from vpsops.bot.views.modals import MAX_OPTIONS, MAX_VALUE, has_term, typed_terms
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Argument, ArgumentKind, arguments_of
from vpsops.core.operations.strategies import Choice
from vpsops.core.wayscloud.answers.models import Server

REASON: Final = "reason"
LONGEST_REASON: Final = 500
ASKED: Final = "Nothing is done before it is agreed to on its card."


@dataclass(frozen=True, slots=True)
class OperationDraft:
    """What a form holds: the values so far, by argument, the reason, an error, where the answer goes."""

    operation: str
    values: Mapping[str, Any]
    reason: str = ""
    channel: str = ""
    problem: str = ""
    thread: str = ""

    @property
    def way_back(self) -> Mapping[str, str]:
        """The channel and the thread of the answer, as a form keeps them."""
        return way_back(self.channel, self.thread)

    @property
    def metadata(self) -> dict[str, Any]:
        """The draft as its form keeps it."""
        return {"op": self.operation, "args": dict(self.values), "why": self.reason, **self.way_back}


@dataclass(frozen=True, slots=True)
class ArgumentMenus:
    """The values to choose from, by argument; `lacking` says what of them is not known."""

    choices: Mapping[str, Sequence[Choice]] = field(default_factory=dict)
    lacking: str = ""


def operation_form(draft: OperationDraft, server: Server, menus: ArgumentMenus) -> Block:
    """Render the form: the server, a control for each argument, and the reason of a change."""
    operation = OPERATIONS[draft.operation]
    verb = action_verb(draft.operation)[:24]
    blocks = [section(plain(draft.problem))] if draft.problem else []
    blocks.append(section(lines(first_line(server), second_line(server))))
    blocks += [_input(argument, draft, menus) for argument in asked_arguments(operation)]
    blocks += [context(plain(menus.lacking, 500))] if menus.lacking else []
    blocks += [] if operation.reads else [_reason(draft), context(plain(f"{operation.effect} {ASKED}".strip()))]
    return {
        "type": "modal",
        "callback_id": action_ids.OPERATION_FORM,
        "private_metadata": pack(draft.metadata),
        "title": plain(verb, 24),
        "submit": plain(verb, 24),
        "close": plain("Cancel", 24),
        "blocks": blocks,
    }


def asked_arguments(operation: Operation) -> list[Argument]:
    """Return the arguments that a form asks for: all but the server, the required ones first."""
    asked = [argument for argument in arguments_of(operation.arguments) if argument.name != "server"]
    return sorted(asked, key=lambda argument: not argument.required)


def choice_options(choices: Sequence[Choice], typed: str = "") -> list[Block]:
    """Return the options whose words contain every typed word; a value that is too long for a menu has none."""
    terms = typed_terms(typed)
    return [
        option(choice.label, choice.value, choice.note)
        for choice in choices
        if len(choice.value) <= MAX_VALUE and all(has_term(_known_by(choice), term) for term in terms)
    ]


def form_values(state: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Return what was typed or chosen in a form, by argument; what was left empty is not there."""
    entered: dict[str, str] = {}
    for name, controls in state.items():
        control = next(iter(controls.values()), {})
        chosen = control.get("selected_option") or {}
        value = str(control.get("value") or chosen.get("value") or "").strip()
        entered |= {name: value} if value else {}
    return entered


def _known_by(choice: Choice) -> str:
    return f"{choice.label} {choice.note} {choice.value}".casefold()


def _input(argument: Argument, draft: OperationDraft, menus: ArgumentMenus) -> Block:
    value = str(draft.values.get(argument.name) or "")
    hint = argument.description if argument.name not in menus.choices and "vps_" not in argument.description else ""
    return {
        "type": "input",
        "block_id": argument.name,
        "label": plain(argument.spec.label, 150),
        "optional": not argument.required,
        "element": _element(argument, value, menus),
        **({"hint": plain(hint, 200)} if hint else {}),
    }


def _element(argument: Argument, value: str, menus: ArgumentMenus) -> Block:
    action = action_ids.argument_action_id(argument.name)
    if argument.spec.kind is ArgumentKind.CHOICE:
        return _menu(action, [option(choice.capitalize(), choice) for choice in argument.spec.choices], value)
    options = choice_options(menus.choices.get(argument.name, ()))
    if options:
        return _menu(action, options, value)
    return {
        "type": "plain_text_input",
        "action_id": action,
        "multiline": False,
        **({"initial_value": value} if value else {}),
    }


def _menu(action: str, options: Sequence[Block], value: str) -> Block:
    """Return a menu of loaded options; of more than fit, one that asks for them while a user types."""
    chosen = next((item for item in options if item["value"] == value), None)
    initial = {"initial_option": chosen} if chosen else {}
    menu: Block
    if len(options) <= MAX_OPTIONS:
        menu = {"type": "static_select", "options": list(options), "placeholder": plain("Choose", 150)}
    else:
        words = plain("Type a name, a date or an id", 150)
        menu = {"type": "external_select", "min_query_length": 0, "placeholder": words}
    return {**menu, "action_id": action, **initial}


def _reason(draft: OperationDraft) -> Block:
    element: Block = {"type": "plain_text_input", "action_id": REASON, "max_length": LONGEST_REASON}
    element |= {"initial_value": draft.reason} if draft.reason else {}
    return {"type": "input", "block_id": REASON, "label": plain("Reason"), "optional": True, "element": element}
