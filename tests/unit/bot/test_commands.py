"""What people type is understood as they mean it, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands import (
    CancelChange,
    Command,
    OpenCreate,
    Run,
    ShowChanges,
    ShowHelp,
    Unclear,
    parse,
)
from bot.words import LISTED, OPERATION_OF, usage
from core.operations import OPERATIONS

REBOOT = Run("reboot", {"server": "web01"})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ShowHelp()),
        ("   ", ShowHelp()),
        ("help", ShowHelp()),
        ("help Reboot", ShowHelp("reboot")),
        ("reboot --help", ShowHelp("reboot")),
        ("reboot \u2014help", ShowHelp("reboot")),
        ("list", Run("list")),
        ("LIST", Run("list")),
        ("list web", Run("list", {"name": "web"})),
        ("list web state:running region=oslo", Run("list", {"name": "web", "state": "running", "region": "oslo"})),
        ("show web01", Run("get", {"server": "web01"})),
        ("get web01", Run("get", {"server": "web01"})),
        ("status web01", Run("status", {"server": "web01"})),
        ("plans", Run("plans")),
        ("os", Run("os_templates")),
        ("os-templates", Run("os_templates")),
        ("regions", Run("regions")),
        ("reboot web01", REBOOT),
        ("  Reboot\u00a0 web01 ", REBOOT),
        ("reboot \u201cweb01\u201d", REBOOT),
        ("reboot `web01`", REBOOT),
        ("stop web\u201301", Run("stop", {"server": "web-01"})),
        ("reboot <http://web01.example.com|web01.example.com>", Run("reboot", {"server": "web01.example.com"})),
        ("reboot <http://web01.example.com/>", Run("reboot", {"server": "web01.example.com"})),
        ("reboot web\u200b01", REBOOT),
        ("create", OpenCreate()),
        ("create web09", OpenCreate({"hostname": "web09"})),
        (
            "create web09 plan=vps-2gb region:oslo \u2014os=debian-12",
            OpenCreate({"hostname": "web09", "plan": "vps-2gb", "region": "oslo", "os_template": "debian-12"}),
        ),
        ("create because we grow", OpenCreate({}, "we grow")),
        ("changes", ShowChanges()),
        ("cancel chg_0a1b because typo", CancelChange("chg_0a1b", "typo")),
    ],
)
def test_what_is_typed_is_understood(text: str, wanted: Command) -> None:
    """Case, quotes, dashes, spaces and links of phones and of Slack make no difference."""
    assert parse(text) == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("reboot web01 because disk swap", "disk swap"),
        ("reboot web01 Because: Disk Swap", "Disk Swap"),
        ("reboot web01 for: patch &amp; pray", "patch & pray"),
        ("reboot web01 --reason disk swap", "disk swap"),
        ("reboot web01 \u2014reason=disk swap", "disk swap"),
        ("reboot web01 because it failed because of rain", "it failed because of rain"),
        ("reboot web01 because &lt;!channel&gt;", "<!channel>"),
        ("reboot web01", ""),
    ],
)
def test_a_reason_is_kept_in_the_askers_words(text: str, reason: str) -> None:
    """The words after because, for: or --reason are the reason, letter for letter."""
    assert parse(text) == Run("reboot", {"server": "web01"}, reason)


@pytest.mark.parametrize(
    "text",
    [
        "rebot web01",
        "reboot",
        "reboot web01 db01",
        "reboot web01 now",
        "reboot because it hangs",
        "stop all the things",
        "plans please",
        "changes all",
        "list web db",
        "list state:",
        "create a b",
        "create plan=",
        "cancel",
        "cancel everything",
        "delete web01",
        "reboot;stop web01",
    ],
)
def test_what_is_not_certain_is_never_run(text: str) -> None:
    """Anything else is answered with what to write instead, and runs nothing."""
    assert isinstance(parse(text), Unclear)


def test_an_unknown_word_is_answered_with_the_nearest() -> None:
    """The nearest command is offered in words."""
    answer = parse("restat web01")
    assert isinstance(answer, Unclear)
    assert "status" in answer.hint
    assert "nothing was run" in answer.message


@pytest.mark.parametrize("word", OPERATION_OF)
def test_every_operation_has_a_command_with_usage(word: str) -> None:
    """Each operation can be written, and its usage starts with its word."""
    assert usage(word).startswith(f"/vps {word}")
    assert OPERATION_OF[word] in OPERATIONS


def test_every_operation_of_the_registry_is_reachable() -> None:
    """Nothing the API can do lacks a command."""
    assert set(OPERATION_OF.values()) == set(OPERATIONS)
    assert set(OPERATION_OF) < set(LISTED)


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever is typed, something is answered, and only operations that exist are named."""
    command = parse(text)
    if isinstance(command, Run):
        assert command.operation in OPERATIONS
    if isinstance(command, Unclear):
        assert len(command.message) < 300


@given(st.sampled_from(sorted(OPERATION_OF)), st.text(max_size=60))
def test_a_change_runs_only_on_exactly_one_word(word: str, rest: str) -> None:
    """Extra words never become part of a server's name."""
    command = parse(f"{word} {rest}")
    if isinstance(command, Run) and "server" in command.arguments:
        assert len(command.arguments["server"].split()) == 1
