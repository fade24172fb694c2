"""The words of the trade lead to the command that they mean, and never to one of another consequence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from vpsops.bot.commands.parser import (
    CancelChange,
    OpenCreate,
    RunOperation,
    ShowCard,
    ShowHelp,
    UnclearCommand,
    parse_command,
)
from vpsops.bot.commands.vocabulary import (
    command_words,
    consequence,
    distance,
    likely_commands,
    nearest_words,
    with_server,
)
from vpsops.bot.messages.help import command_groups
from vpsops.bot.protocol.command_catalog import CHAT_COMMANDS, CHAT_OFFERS, CHAT_SYNONYMS, COMMANDS, EXACT, OFFERED
from vpsops.cli import main
from vpsops.core.changes.model import Verdict
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.registry import OperationTable

FULL_WIDTH = "".join(chr(ord(letter) + 0xFEE0) for letter in "reboot")
WEB01 = {"server": "web01"}


def near(text: str) -> tuple[str, ...]:
    answer = parse_command(text)
    assert isinstance(answer, UnclearCommand)
    return answer.near


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("restart web01", "reboot"),
        ("Restart web01 because it hangs", "reboot"),
        ("shutdown web01", "stop"),
        ("shut down web01", "stop"),
        ("power off web01", "stop"),
        ("power-off web01", "stop"),
        ("poweroff web01", "stop"),
        ("turn off web01", "stop"),
        ("halt web01", "stop"),
        ("boot web01", "start"),
        ("boot up web01", "start"),
        ("power on web01", "start"),
        ("rm web01", "delete"),
        ("destroy web01", "delete"),
        ("terminate web01", "delete"),
        ("info web01", "get"),
        ("uptime web01", "status"),
        ("vps show web01", "get"),
        ("/vps show web01", "get"),
        ("/vps restart web01", "reboot"),
        (f"{FULL_WIDTH} web01", "reboot"),
        ("*reboot* web01", "reboot"),
    ],
)
@pytest.mark.requirement("words-of-the-trade")
def test_a_word_of_the_trade_is_its_command(text: str, operation: str) -> None:
    """It runs what the command runs, with all that followed."""
    command = parse_command(text)
    assert isinstance(command, RunOperation)
    assert (command.operation, command.arguments) == (operation, WEB01)


def test_other_words_are_commands_of_chat() -> None:
    """Lists, forms, verdicts and help have words too."""
    assert parse_command("ls web") == RunOperation("list", {"name": "web"})
    assert parse_command("new web09 because we grow") == OpenCreate({"hostname": "web09"}, "we grow")
    assert parse_command("provision because we grow") == OpenCreate({}, "we grow")
    assert parse_command("reject chg_0a1b") == ShowCard("chg_0a1b", Verdict.DENY)
    assert parse_command("man restart") == ShowHelp("reboot")


@pytest.mark.parametrize("typed", ["chg_0a1b.", "`chg_0a1b`", "(chg_0a1b),", "*chg_0a1b*"])
def test_the_id_of_a_change_is_read_without_what_stands_around_it(typed: str) -> None:
    """As names of servers are."""
    assert parse_command(f"deny {typed}") == ShowCard("chg_0a1b", Verdict.DENY)
    assert parse_command(f"changes {typed}") == ShowCard("chg_0a1b")
    assert parse_command(f"cancel {typed} because typo") == CancelChange("chg_0a1b", "typo")


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("up web01", ("start web01",)),
        ("kill web01", ("stop web01",)),
        ("ssh web01", ("show web01",)),
        ("reset web01 because &lt;b&gt;", ("reboot web01 because &lt;b&gt;",)),
        ("power cycle web01 because it hangs", ("reboot web01 because it hangs",)),
        ("/vps rebot web01", ("reboot web01",)),
        ("upgrade web01 vps-4gb", ("resize web01 vps-4gb",)),
        ("restat web01", ("reboot web01",)),
        ("web01 reboot", ("reboot web01",)),
        ("web01 restart because x", ("reboot web01 because x",)),
        ("restore web01 b-1", ("backup-restore web01 b-1",)),
    ],
)
def test_what_a_word_may_mean_is_offered_and_not_run(text: str, offered: tuple[str, ...]) -> None:
    """A button has the rest of the text, to the letter."""
    assert near(text) == offered


def test_no_button_offers_what_cannot_be_done() -> None:
    """A report takes no server, so that it is offered without one."""
    assert near("reprot web01") == ("report",)
    assert all(not isinstance(parse_command(text), UnclearCommand) for text in near("re web01"))


def test_resume_is_no_slip_of_resize() -> None:
    """They are two letters apart, and of other consequences."""
    assert likely_commands("resze") == ["resize"]
    assert "resume" not in likely_commands("resiz")
    assert "resize" not in likely_commands("resumee")


@pytest.mark.requirement("words-of-the-trade")
def test_no_word_belongs_to_two() -> None:
    """Neither among operations, nor among commands of chat and of the terminal."""
    words = [word for operation in OPERATIONS.values() for word in operation.words]
    words += [*CHAT_COMMANDS, *CHAT_SYNONYMS, *CHAT_OFFERS]
    assert len(words) == len(set(words))
    of_operations = {word for operation in OPERATIONS.values() for word in operation.words}
    assert not (of_operations | {*CHAT_SYNONYMS}) & {*main.COMMANDS}
    with pytest.raises(ValueError, match="another one has"):
        OperationTable((OPERATIONS["reboot"],), (OPERATIONS["reboot"],))


def test_no_synonym_hides_a_group_of_help() -> None:
    """`help servers` explains a group of commands."""
    assert not {*EXACT} & {*command_groups()}
    assert all(parse_command(f"help {group}") == ShowHelp(group) for group in command_groups())


@pytest.mark.parametrize("synonym", sorted({*EXACT, *OFFERED}))
@pytest.mark.requirement("words-of-the-trade")
def test_no_synonym_leads_to_another_risk(synonym: str) -> None:
    """It runs or offers its own entry's operation, and no other."""
    entry = next((entry for entry in OPERATIONS.values() if synonym in entry.words), None)
    expected = entry.word if entry else {**CHAT_SYNONYMS, **CHAT_OFFERS}[synonym]
    if synonym in EXACT:
        assert command_words([synonym, "web01"]) == [expected, "web01"]
    else:
        assert likely_commands(synonym) == [expected]
        assert not isinstance(parse_command(f"{synonym} web01"), RunOperation)


SLIPS = st.sampled_from("abcdefghijklmnopqrstuvwxyz-")


@given(st.sampled_from(sorted({*COMMANDS, *EXACT})), st.integers(0, 12), SLIPS)
@settings(max_examples=examples(100))
@pytest.mark.requirement("words-of-the-trade")
def test_a_slip_offers_the_nearest_consequence(word: str, at: int, slip: str) -> None:
    """What is farther away than the nearest command is offered only if it does the same to servers."""
    typed = word[:at] + slip + word[at:]
    known = (*COMMANDS, *EXACT)
    offered = nearest_words(typed, known)
    least = min(distance(typed, other) for other in known)
    nearest = {EXACT.get(other, other) for other in known if distance(typed, other) == least}
    assert {consequence(command) for command in offered} <= {consequence(command) for command in nearest}


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_a_distance_is_the_same_both_ways(first: str, second: str) -> None:
    """It is nothing for equal words only, and one for two letters swapped."""
    assert distance(first, second) == distance(second, first)
    assert (distance(first, second) == 0) == (first == second)
    assert distance("rebo" + "ot", "reb" + "oot") == 0
    assert distance("reobot", "reboot") == 1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["restart", "web01"], ["reboot", "web01"]),
        (["power", "off", "web01", "--yes"], ["stop", "web01", "--yes"]),
        (["ask", "rm", "web01"], ["ask", "delete", "web01"]),
        (["audit", "restart"], ["audit", "restart"]),
        (["subscribe"], ["subscribe"]),
        (["--version"], ["--version"]),
        ([], []),
    ],
)
def test_the_terminal_has_the_same_words(typed: list[str], meant: list[str]) -> None:
    """Those of operations; its own subcommands stay what they are."""
    assert main.with_command(typed) == meant


def test_the_terminal_offers_what_a_word_may_mean(capsys: pytest.CaptureFixture[str]) -> None:
    """As its own commands, and nothing runs."""
    for typed, offered in (("kill", "vpsops stop"), ("rebot", "vpsops reboot"), ("folow", "vpsops follow")):
        with pytest.raises(SystemExit):
            main.parsed(main.parser_of([typed, "web01"]), [typed, "web01"])
        assert f"Did you mean {offered}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("status", "status srv"),
        ("reboot because disk", "reboot srv because disk"),
        ("restart --reason=disk", "restart srv --reason=disk"),
        ("power off because disk", "power off srv because disk"),
        ("reboot because", None),
        ("reboot web01", None),
        ("watch for 2h", "watch srv for 2h"),
        ("watch stop", "watch srv stop"),
        ("list", None),
        ("changes", None),
        ("pause because wild", None),
        ("hello", None),
    ],
)
def test_a_command_is_completed_only_where_it_lacks_its_server(text: str, whole: str | None) -> None:
    """What names something, or needs nothing, stays as it was typed."""
    assert with_server(text, "srv") == whole


@pytest.mark.parametrize("words", ["reboot it", "restart this", "reboot now", "stop that!", "status please"])
def test_a_word_for_the_thread_s_server_is_no_other_server(words: str) -> None:
    """`it` is not the beginning of another server's name."""
    completed = with_server(f"{words} because it hangs", "srv-1")
    assert completed is not None
    assert completed.split()[1:] == ["srv-1", "because", "it", "hangs"]
