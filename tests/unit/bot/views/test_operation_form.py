"""The form of an operation: a control for each argument by its kind, for every entry, within Slack's limits."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.browser.surfaces.samples import SERVERS
from vpsops.bot.blocks.elements import pack
from vpsops.bot.commands.parser import OpenForm, RunOperation, UnclearCommand, parse_command
from vpsops.bot.features.operation_forms import form_errors, request_in
from vpsops.bot.protocol.command_catalog import has_form, lacks_arguments, word_for
from vpsops.bot.protocol.payloads import ViewPayload
from vpsops.bot.slack_api.block_limits import view_limit_violations
from vpsops.bot.views.operation_form import (
    ArgumentMenus,
    OperationDraft,
    asked_arguments,
    choice_options,
    form_values,
    operation_form,
)
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import OF_SERVER, arguments_of
from vpsops.core.operations.strategies import Choice
from vpsops.core.operations.traits import lister_of

FORMS = [name for name, operation in OPERATIONS.items() if has_form(operation)]
CHOICES = [Choice(f"snap-{number}", f"snap-{number}", "taken 2027-01-03 03:00 UTC, available") for number in range(3)]


def view(name: str, values: Mapping[str, str], kept: Mapping[str, Any] | None = None) -> ViewPayload:
    """Return a form of an operation as it is submitted."""
    state = {block: {f"vps:arg:{block}": {"value": value}} for block, value in values.items()}
    metadata = pack({"op": name, "args": {"server": "srv-1", **(kept or {})}, "ch": "C0OPS"})
    return ViewPayload.model_validate({"id": "V1", "private_metadata": metadata, "state": {"values": state}})


@pytest.mark.parametrize("name", FORMS)
def test_every_operation_with_arguments_has_a_form_within_the_limits(name: str) -> None:
    """Each argument has its control; what was typed stays in it; a change asks for a reason, a read does not."""
    asked = asked_arguments(OPERATIONS[name])
    menus = ArgumentMenus({item.name: CHOICES for item in asked if lister_of(item.spec.kind)}, "The list is not whole.")
    draft = OperationDraft(name, {"server": "srv-1"}, "because", "C0OPS", "This does not fit.")
    drawn = operation_form(draft, SERVERS[0], menus)
    assert list(view_limit_violations(drawn)) == []
    inputs = {block["block_id"]: block for block in drawn["blocks"] if block["type"] == "input"}
    assert set(inputs) - {"reason"} == {item.name for item in asked}
    assert ("reason" in inputs) is not OPERATIONS[name].reads
    for item in asked:
        assert inputs[item.name]["optional"] is not item.required
        kind = inputs[item.name]["element"]["type"]
        assert (kind == "static_select") is (item.name in menus.choices or bool(item.spec.choices))


def test_what_is_of_a_server_has_a_read_that_lists_it() -> None:
    """Otherwise its argument would have no menu."""
    kinds = {item.spec.kind for name in FORMS for item in asked_arguments(OPERATIONS[name])} & OF_SERVER
    assert [kind for kind in kinds if (lister := lister_of(kind)) is None or not lister.takes_server] == []


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.requirement("menus-of-a-server")
def test_a_command_that_lacks_an_argument_opens_the_form_and_keeps_the_others(name: str) -> None:
    """Whatever is typed besides stays; without a server it is still said what is missing."""
    required = [item for item in arguments_of(OPERATIONS[name].arguments) if item.required]
    *given, last = required
    typed = " ".join(
        (item.spec.choices or ("web01",))[0] if item.spec.choices else f"{item.name[:3]}01" for item in given
    )
    command = parse_command(f"{word_for(name)} {typed} because disk swap")
    assert isinstance(command, OpenForm), command
    assert (command.operation, command.reason) == (name, "disk swap")
    assert set(command.arguments) == {item.name for item in given}
    assert lacks_arguments(OPERATIONS[name], command.arguments)
    assert not lacks_arguments(OPERATIONS[name], {**command.arguments, last.name: "x"})
    alone = parse_command(word_for(name))
    assert isinstance(alone, UnclearCommand)
    assert "server" in alone.message


def test_a_whole_command_opens_no_form() -> None:
    """Nothing is asked twice."""
    assert isinstance(parse_command("rollback web01 monday"), RunOperation)


def test_a_form_is_read_with_what_it_was_opened_with() -> None:
    """What the form asks for replaces what was typed before; a server is never among the fields."""
    request = request_in(view("snapshot_rollback", {"snapshot": "tuesday", "reason": "bad"}, {"snapshot": "monday"}))
    assert request is not None
    assert (request.arguments, request.reason) == ({"server": "srv-1", "snapshot": "tuesday"}, "bad")
    emptied = request_in(view("snapshot_create", {"snapshot": "a"}, {"description": "old"}))
    assert emptied is not None
    assert emptied.arguments == {"server": "srv-1", "snapshot": "a"}
    assert request_in(view("reboot", {})) is None
    assert request_in(view("unknown", {})) is None


def test_what_does_not_fit_is_shown_at_its_field() -> None:
    """Without a read, so that it fits into the acknowledgement."""
    wrong = form_errors(
        view("backup_policy_set", {"frequency": "daily", "time_of_day": "25:99", "retention_days": "0"})
    )
    assert {"time_of_day", "retention_days"} <= set(wrong)
    assert form_errors(view("backup_policy_set", {"frequency": "daily", "time_of_day": "03:00"})) == {}
    missing = form_errors(view("snapshot_rollback", {}))
    assert set(missing) == {"snapshot"}


def test_options_are_found_by_any_of_their_words_and_a_long_list_asks_the_app() -> None:
    """A menu has room for a hundred; a value that is longer than Slack takes is in none."""
    many = [*(Choice(f"snap-{number}", f"snap-{number}") for number in range(150)), Choice("x" * 151, "long")]
    assert [item["value"] for item in choice_options(many, "snap 149")] == ["snap-149"]
    assert choice_options(many, "long") == []
    drawn = operation_form(
        OperationDraft("snapshot_rollback", {"snapshot": "snap-7"}), SERVERS[0], ArgumentMenus({"snapshot": many})
    )
    element = next(block["element"] for block in drawn["blocks"] if block.get("block_id") == "snapshot")
    assert element["type"] == "external_select"
    assert element["initial_option"]["value"] == "snap-7"
    assert list(view_limit_violations(drawn)) == []


def test_values_are_typed_or_chosen() -> None:
    """Empty fields are not there."""
    state: dict[str, dict[str, dict[str, Any]]] = {
        "a": {"x": {"value": " 1 "}},
        "b": {"y": {"selected_option": {"value": "2"}}},
        "c": {"z": {"value": None}},
    }
    assert form_values(state) == {"a": "1", "b": "2"}
