"""Typed commands are understood as meant, or not at all."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.bot.commands.parser import (
    CancelChange,
    Command,
    OpenCreate,
    PauseAgents,
    ResumeAgents,
    RunOperation,
    ShowAudit,
    ShowCard,
    ShowChanges,
    ShowHelp,
    ShowReport,
    UnclearCommand,
    parse_command,
)
from vpsops.bot.commands.time_parser import USUAL_WATCH, WatchServer
from vpsops.bot.commands.vocabulary import command_words
from vpsops.bot.protocol.command_catalog import COMMANDS, EXACT, LISTED, OPERATION_OF, usage
from vpsops.core.changes.model import Verdict
from vpsops.core.operations import OPERATIONS

REBOOT = RunOperation("reboot", {"server": "web01"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ShowHelp()),
        ("   ", ShowHelp()),
        ("help", ShowHelp()),
        ("help Reboot", ShowHelp("reboot")),
        ("reboot --help", ShowHelp("reboot")),
        ("reboot \u2014help", ShowHelp("reboot")),
        ("list", RunOperation("list")),
        ("LIST", RunOperation("list")),
        ("list web", RunOperation("list", {"name": "web"})),
        (
            "list web state:running region=oslo",
            RunOperation("list", {"name": "web", "state": "running", "region": "oslo"}),
        ),
        ("show web01", RunOperation("get", {"server": "web01"})),
        ("get web01", RunOperation("get", {"server": "web01"})),
        ("status web01", RunOperation("status", {"server": "web01"})),
        ("plans", RunOperation("plans")),
        ("plans oslo", RunOperation("plans", {"region": "oslo"})),
        ("addons", RunOperation("addons")),
        ("addons region=NO", RunOperation("addons", {"region": "NO"})),
        ("os", RunOperation("os_templates")),
        ("os-templates", RunOperation("os_templates")),
        ("regions", RunOperation("regions")),
        ("reboot web01", REBOOT),
        ("  Reboot\u00a0 web01 ", REBOOT),
        ("reboot \u201cweb01\u201d", REBOOT),
        ("reboot `web01`", REBOOT),
        ("stop web\u201301", RunOperation("stop", {"server": "web-01"})),
        (
            "reboot <http://web01.example.com|web01.example.com>",
            RunOperation("reboot", {"server": "web01.example.com"}),
        ),
        ("reboot <http://web01.example.com/>", RunOperation("reboot", {"server": "web01.example.com"})),
        ("reboot web\u200b01", REBOOT),
        ("create", OpenCreate()),
        ("create web09", OpenCreate({"hostname": "web09"})),
        (
            "create web09 plan=vps-2gb region:oslo \u2014os=debian-12",
            OpenCreate({"hostname": "web09", "plan": "vps-2gb", "region": "oslo", "os_template": "debian-12"}),
        ),
        ("create because we grow", OpenCreate({}, "we grow")),
        ("changes", ShowChanges()),
        ("changes open", ShowChanges("open")),
        ("Changes Mine", ShowChanges("mine")),
        ("changes web01", ShowChanges(server="web01")),
        ("changes chg_0a1b", ShowCard("chg_0a1b")),
        ("approve chg_0a1b", ShowCard("chg_0a1b", Verdict.APPROVE)),
        ("deny chg_0a1b because no", ShowCard("chg_0a1b", Verdict.DENY)),
        ("audit", ShowAudit()),
        ("audit web01", ShowAudit(server="web01")),
        ("audit <@U0BOB|bob>", ShowAudit(person="U0BOB")),
        ("audit <@W0BOB>", ShowAudit(person="W0BOB")),
        ("audit @bob", ShowAudit(person="bob")),
        ("audit chg_0a1b", ShowAudit(change="chg_0a1b")),
        ("report", ShowReport()),
        ("report label:team", ShowReport(label="team")),
        ("report label=cost/centre", ShowReport(label="cost/centre")),
        ("watch web01", WatchServer("web01", USUAL_WATCH)),
        ("watch web01 for 2h", WatchServer("web01", timedelta(hours=2))),
        ("watch \u201cweb\u201301\u201d For 30 min", WatchServer("web-01", timedelta(minutes=30))),
        ("watch web01 3d", WatchServer("web01", timedelta(days=3))),
        ("watch web01 stop", WatchServer("web01", None)),
        ("pause", PauseAgents()),
        ("PAUSE because \u201codd\u201d reboots", PauseAgents("\u201codd\u201d reboots")),
        ("resume", ResumeAgents()),
        ("resume because fixed", ResumeAgents("fixed")),
        ("cancel chg_0a1b because typo", CancelChange("chg_0a1b", "typo")),
    ],
)
def test_what_is_typed_is_understood(text: str, expected: Command) -> None:
    """Case, quotes, dashes, spaces and links of phones and of Slack make no difference."""
    assert parse_command(text) == expected


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
    assert parse_command(text) == RunOperation("reboot", {"server": "web01"}, reason)


@pytest.mark.parametrize(
    "text",
    [
        "rebot web01",
        "reboot",
        "reboot web01 db",
        "reboot web01 now",
        "reboot because it hangs",
        "stop all the things",
        "regions please",
        "list web db",
        "list state:",
        "create a b",
        "create plan=",
        "cancel",
        "cancel everything",
        "changes web01 db01",
        "approve",
        "approve web01",
        "deny chg_1 chg_2",
        "audit web01 db01",
        "report now",
        "watch",
        "watch web01 for ever",
        "watch web01 for 1m",
        "watch web01 for 8d",
        "watch web01 because it is odd",
        "pause web01",
        "resume web01",
        "web01",
        "kill web01",
        "reboot;stop web01",
    ],
)
@pytest.mark.requirement("slack-certain-or-nothing")
def test_what_is_not_certain_is_never_run(text: str) -> None:
    """Anything else is answered with what to write instead, and runs nothing."""
    assert isinstance(parse_command(text), UnclearCommand)


def test_an_unknown_word_is_answered_with_the_nearest() -> None:
    """The nearest command is offered in words."""
    answer = parse_command("staus web01")
    assert isinstance(answer, UnclearCommand)
    assert "status" in answer.hint
    assert "Nothing was run" in answer.message


def near(text: str) -> tuple[str, ...]:
    answer = parse_command(text)
    assert isinstance(answer, UnclearCommand)
    return answer.near


def test_the_commands_it_may_have_been_keep_what_followed() -> None:
    """Each is the text that was typed, to the letter, with another first word; nothing is run before a press."""
    assert near("rebot web01 because &lt;b&gt; \u201cx\u201d")[0] == "reboot web01 because &lt;b&gt; \u201cx\u201d"
    assert near("  sta   web01") == ("status   web01", "start   web01")
    assert near("re web01")[:2] == ("reboot web01", "rename web01")
    assert near("web01") == ("show web01",)
    assert near("pause web01") == ("pause because web01",)
    assert near("kill web01 because it hangs") == ("stop web01 because it hangs",)


@given(st.sampled_from(sorted(COMMANDS)), st.integers(0, 11), st.text("abcdefgh-", max_size=1), st.text(max_size=80))
def test_a_slip_of_the_finger_runs_nothing(word: str, at: int, slip: str, rest: str) -> None:
    """Only a command itself does something; a suggestion for anything else begins with a command."""
    typed = word[:at] + slip + word[at + 1 :]
    command = parse_command(f"{typed} {rest}")
    if (
        typed.lower().split()[:1]
        and typed.lower() not in {*COMMANDS, *EXACT, "help"}
        and isinstance(command, UnclearCommand)
    ):
        assert all(item.split()[0] in {*COMMANDS, "show"} for item in command.near)
    elif isinstance(command, RunOperation):
        assert command_words(f"{typed} {rest}".split())[0] in COMMANDS


NAME = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4}){0,3}(\.[a-z]{2,6}){0,2}", fullmatch=True)
DASH = st.sampled_from("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d")
QUOTE = st.sampled_from(["\u201c\u201d", "\u2018\u2019", "\u00ab\u00bb", '""', "``", ("", "")])
GAP = st.sampled_from([" ", "  ", "\u00a0", "\t", " \u200b"])
SERVERS = sorted(word for word, name in OPERATION_OF.items() if OPERATIONS[name].takes_only_server)


@given(st.sampled_from(SERVERS), NAME, DASH, QUOTE, GAP, st.booleans())
def test_a_phone_changes_nothing(
    word: str, name: str, dash: str, quote: tuple[str, str], gap: str, capital: bool
) -> None:
    """Long dashes in a name, curly quotes around it, odd spaces and capitals are read as they were meant."""
    before, after = quote
    typed = f"{word.capitalize() if capital else word.upper()}{gap}{before}{name.replace('-', dash)}{after}"
    assert parse_command(typed) == parse_command(f"{word} {name}") == RunOperation(OPERATION_OF[word], {"server": name})


@given(st.sampled_from(["reboot", "stop", "start"]), NAME, DASH, st.text(min_size=1, max_size=100))
def test_a_reason_is_read_with_any_dash_and_kept_as_it_is(word: str, name: str, dash: str, reason: str) -> None:
    """A phone's dash begins an option as two hyphens do, and the words of the reason stay as they were typed."""
    by_phone, by_keyboard = (
        parse_command(f"{word} {name} {dash}reason {reason}"),
        parse_command(f"{word} {name} --reason {reason}"),
    )
    assert by_phone == by_keyboard
    assert isinstance(by_phone, RunOperation)
    assert by_phone.arguments == {"server": name}


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
    command = parse_command(text)
    if isinstance(command, RunOperation):
        assert command.operation in OPERATIONS
    if isinstance(command, UnclearCommand):
        assert len(command.message) < 300


@given(st.sampled_from(sorted(OPERATION_OF)), st.text(max_size=60))
def test_a_change_runs_only_on_exactly_one_word(word: str, rest: str) -> None:
    """Extra words never become part of a server's name."""
    command = parse_command(f"{word} {rest}")
    if isinstance(command, RunOperation) and "server" in command.arguments:
        assert len(command.arguments["server"].split()) == 1


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("team=shop", ["team=shop"]),
        ("team=shop env-", ["team=shop", "env-"]),
        ("server=old labels=x -env", ["server=old", "labels=x", "-env"]),
        ("\u2014env", ["--env"]),
        ("“team=shop” env\u2013", ["team=shop", "env-"]),
    ],
)
def test_labels_are_all_words_after_the_server(text: str, labels: list[str]) -> None:
    """A label may have the name of an argument."""
    assert parse_command(f"label web01 {text} because asked to") == RunOperation(
        "label", {"server": "web01", "labels": labels}, "asked to"
    )


def test_a_list_is_filtered_by_label() -> None:
    """The filter's value is the label, with its sign."""
    assert parse_command("list label:team=shop region:oslo") == RunOperation(
        "list", {"label": "team=shop", "region": "oslo"}
    )
