"""A time behind a command runs it later; what may be something else runs nothing."""

from typing import Final

import pytest

from vpsops.bot.commands.parser import OpenForm, RunOperation, ShowChanges, UnclearCommand, parse_command
from vpsops.bot.protocol.command_catalog import OPERATION_OF, usage
from vpsops.core.operations import OPERATIONS


@pytest.mark.parametrize(
    ("text", "later"),
    [
        ("reboot web01 at 02:00", "at 02:00"),
        ("reboot web01 AT 02:00 Europe/Oslo", "AT 02:00 Europe/Oslo"),
        ("reboot web01 at 2026-12-01 02:00", "at 2026-12-01 02:00"),
        ("reboot web01 at 02:00 +02:00", "at 02:00 +02:00"),
        ("reboot web01 in 2h", "in 2h"),
        ("reboot web01 in 1d 2h", "in 1d 2h"),
        ("reboot web01 in window nightly", "in window nightly"),
        ("restart web01 at 02:00", "at 02:00"),
    ],
)
def test_a_time_is_read_behind_the_server(text: str, later: str) -> None:
    """The server and the reason are what they are without it."""
    command = parse_command(f"{text} because disk swap")
    assert command == RunOperation("reboot", {"server": "web01"}, "disk swap", later)


@pytest.mark.parametrize(
    ("text", "operation", "arguments"),
    [
        ("delete web01 at 02:00", "delete", {"server": "web01"}),
        ("resize web01 vps-8gb in 2h", "resize", {"server": "web01", "plan": "vps-8gb"}),
        ("snapshot-delete web01 old at 02:00", "snapshot_delete", {"server": "web01", "snapshot": "old"}),
    ],
)
def test_any_change_takes_a_time(text: str, operation: str, arguments: dict[str, str]) -> None:
    """Its arguments come first."""
    command = parse_command(text)
    assert isinstance(command, RunOperation), command
    assert (command.operation, command.arguments) == (operation, arguments)
    assert command.later


def test_a_firewall_rule_takes_a_time_behind_its_source() -> None:
    """The words of the rule are read as ever."""
    command = parse_command("firewall web01 allow 22/tcp from any in 2h")
    assert isinstance(command, RunOperation), command
    assert (command.operation, command.later) == ("firewall_allow", "in 2h")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("reboot web01 at 2pm", "no time to run at"),
        ("reboot web01 in 2 weeks", "no time to run at"),
        ("reboot web01 in window a b", "no time to run at"),
        ("reboot at 02:00", "needs a server"),
        ("reboot in 2h", "needs a server"),
        ("show web01 at 02:00", "take no time"),
        ("create web09 at 02:00", "may be a part of the text"),
        ("rename web01 to Web at 02:00", "may be a part of the text"),
        ("label web01 team=shop in 2h", "may be a part of the text"),
        ("resize web01 at 02:00", "take no time"),
    ],
)
def test_what_may_mean_something_else_runs_nothing(text: str, words: str) -> None:
    """It is said, with what to write."""
    command = parse_command(text)
    assert isinstance(command, UnclearCommand), command
    assert words in command.message


def test_without_a_time_nothing_is_different() -> None:
    """Forms open, and words that are no time stay words."""
    assert parse_command("reboot web01") == RunOperation("reboot", {"server": "web01"})
    assert isinstance(parse_command("resize web01"), OpenForm)
    assert isinstance(parse_command("reboot web01 at night"), UnclearCommand)


@pytest.mark.parametrize("text", ["scheduled", "changes scheduled"])
def test_what_runs_later_is_listed(text: str) -> None:
    """By a command of its own, and among the lists of changes."""
    assert parse_command(text) == ShowChanges("scheduled")


WHOLE: Final = {
    "rename": "rename web01 shop",
    "resize": "resize web01 vps-4gb",
    "label": "label web01 team=shop",
    "firewall-allow": "firewall-allow web01 22/tcp from 10.0.0.0/8",
    "firewall-remove": "firewall-remove web01 rule-1",
    "snapshot": "snapshot web01 before",
    "snapshot-delete": "snapshot-delete web01 before",
    "rollback": "rollback web01 before",
    "backup-delete": "backup-delete web01 backup-1",
    "backup-restore": "backup-restore web01 backup-1",
    "backup-policy": "backup-policy web01 daily 02:00",
    "create": "create web09 plan=vps-2gb",
}
"""Each change with all that it has to be given; the others take a server alone."""


@pytest.mark.parametrize("word", [word for word, name in OPERATION_OF.items() if not OPERATIONS[name].reads])
@pytest.mark.parametrize(
    ("time", "form"), [("at 02:00", "at TIME"), ("in 2h", "in 2h"), ("in window nightly", "in window NAME")]
)
def test_usage_shows_the_times_that_a_command_takes(word: str, time: str, form: str) -> None:
    """A name, labels or a note would take the words of a time, and `at` is a backup policy's own word."""
    command = parse_command(f"{WHOLE.get(word, f'{word} web01')} {time}")
    assert isinstance(command, RunOperation) == (form in usage(word)), command
