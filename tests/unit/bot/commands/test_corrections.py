"""What is typed around a command, and filters that there are not, are answered with what was meant, on buttons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.bot.commands.list_filters import parse_filters
from vpsops.bot.commands.parser import RunOperation, UnclearCommand, parse_command
from vpsops.bot.commands.plan_parser import RunPlan
from vpsops.bot.messages.ephemeral import error_note
from vpsops.core.common.errors import InvalidInputError, StaleChangeError, UnknownServerError


def near(text: str) -> tuple[str, ...]:
    answer = parse_command(text)
    assert isinstance(answer, UnclearCommand)
    return answer.near


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("reboot db01 it hangs", ("reboot db01 because it hangs",)),
        ("reboot db01 since it hangs", ("reboot db01 because it hangs",)),
        ("reboot db01 it &lt;hangs&gt;", ("reboot db01 because it &lt;hangs&gt;",)),
        ("reboot the server db01 it hangs", ("reboot db01 because it hangs",)),
        ("restart db01 it hangs because disk", ("reboot db01 because it hangs, disk",)),
        ("reboot db01 now", ("reboot db01",)),
        ("reboot db01 --force", ("reboot db01",)),
        ("reboot db01 please because disk", ("reboot db01 because disk",)),
        ("show web01 please", ("show web01",)),
        ("status of web01", ("status web01",)),
        ("rm web01 web02", ("delete web01", "delete web02")),
        ("regions please", ("regions",)),
        ("report now", ("report",)),
        ("report label:team=shop", ("report",)),
        ("report label:", ("report",)),
        ("report label:team label:env", ("report",)),
        ("report server:web01", ("report",)),
        ("rebot db01 it hangs", ("reboot db01 because it hangs",)),
    ],
)
@pytest.mark.requirement("words-around-commands")
def test_words_around_a_command_are_answered_with_it(text: str, offered: tuple[str, ...]) -> None:
    """A button has the command as it was meant; nothing runs before a press."""
    assert near(text) == offered


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("list running oslo", ("list state:running region:oslo",)),
        ("list stopped", ("list state:stopped", "list name:stopped")),
        ("list status:stopped", ("list state:stopped",)),
        ("list Status=stopped web", ("list state:stopped web",)),
        ("list web oslo", ("list web region:oslo",)),
        ("list zone:oslo", ("list region:oslo",)),
        ("list regoin:oslo", ("list region:oslo",)),
        ("list tag:team=shop", ("list label:team=shop",)),
        ("list team=shop", ("list label:team=shop",)),
        ("list state:stoped", ("list state:stopped",)),
        ("list web db", ("list web", "list db")),
        ("list state:", ()),
    ],
)
@pytest.mark.requirement("words-around-commands")
def test_a_filter_that_there_is_not_is_answered_with_the_one_meant(text: str, offered: tuple[str, ...]) -> None:
    """States and regions without a key, keys of other tools, slips; each button is a list that can be asked for."""
    assert near(text) == offered
    assert all(isinstance(parse_command(command), RunOperation) for command in offered)


TYPED = ("web", "running", "oslo", "state:off", "status:on", "x=y", "a:b", ":", "name:")


@given(st.lists(st.sampled_from(TYPED), max_size=4))
def test_a_list_runs_only_what_was_typed(words: list[str]) -> None:
    """What is meant by a slip is never listed at once."""
    filters = parse_filters(words)
    assert filters.problem or all(any(value in word for word in words) for value in filters.values.values())


def test_a_slip_has_no_error_id() -> None:
    """The log does not explain it; the id of any other error stays, and hints name commands of Slack."""
    missing = error_note(UnknownServerError("wbe01", [])).text
    assert "err_" not in missing
    assert "Use /vps list to see what there is." in missing
    assert "err_" not in error_note(InvalidInputError("No.")).text
    assert "err_" in error_note(StaleChangeError("It moved on.")).text


@pytest.mark.parametrize("mark", ["*", "_", "~", "*_"])
@pytest.mark.parametrize("tail", ["", " because disk"])
def test_emphasis_around_a_command_is_no_pattern(mark: str, tail: str) -> None:
    """`*reboot web01*` is bold, and means one server; a pattern that was typed as such still means several."""
    for text in (f"{mark}reboot web01{mark}{tail}", f"{mark}reboot web01{tail}{mark}"):
        command = parse_command(text)
        assert isinstance(command, RunOperation), text
        assert (command.operation, command.arguments) == ("reboot", {"server": "web01"}), text
    assert isinstance(parse_command("reboot web01*"), RunPlan)
    assert isinstance(parse_command("reboot web* db*"), RunPlan)


@pytest.mark.parametrize("text", ["reboot *web01 web02*", "stop *web01, web02*", "start *web01 db01 web02*"])
def test_names_in_bold_run_nothing_and_are_offered_without_the_marks(text: str) -> None:
    """They may be two patterns, which would mean more servers."""
    answer = parse_command(text)
    assert isinstance(answer, UnclearCommand)
    (meant,) = answer.near
    assert "*" not in meant


OFFERS = {
    "please reboot db01": ("reboot db01",),
    "pls reboot db01": ("reboot db01",),
    "can you reboot db01?": ("reboot db01?",),
    "sudo reboot db01 because disk": ("reboot db01 because disk",),
    "$ reboot db01": ("reboot db01",),
    "&gt; reboot db01": ("reboot db01",),
    "what is the status of web01": ("status web01",),
    "how is web01": ("show web01", "status web01"),
    "is web01 up?": ("show web01", "status web01"),
    "web01 reboot please": ("reboot web01",),
    "turn web01 off": ("stop web01",),
    "shut web01 down": ("stop web01",),
    "switch off web01": ("stop web01",),
    "hard reset web01": ("reboot web01",),
    "health web01": ("status web01",),
    "show me web01": ("show web01",),
    "reboot host db01": ("reboot db01",),
    "reboot -f db01": ("reboot db01",),
    "reboot web01 and web02": ("reboot web01 web02",),
    "reboot web01 &amp; web02": ("reboot web01 web02",),
    "reboot web01 or web02": ("reboot web01", "reboot web02"),
    "show web01 and web02": ("show web01", "show web02"),
    "list all": ("list", "list name:all"),
    "list all servers": ("list",),
    "ls -la": ("list",),
    "list running in oslo": ("list state:running region:oslo",),
    "list region oslo": ("list region:oslo",),
    "list --state stopped": ("list state:stopped",),
    "list not running": ("list state:stopped",),
    "list !running": ("list state:stopped",),
    "list state!=stopped": ("list state:running",),
    "list status: stopped": ("list state:stopped",),
}


@pytest.mark.parametrize(("text", "near"), OFFERS.items(), ids=OFFERS)
def test_a_sentence_runs_nothing_and_is_offered_as_the_command_that_it_means(text: str, near: tuple[str, ...]) -> None:
    answer = parse_command(text)
    assert isinstance(answer, UnclearCommand), answer
    assert answer.near == near


def test_a_filter_with_blanks_around_its_sign_is_read() -> None:
    assert parse_command("list state : stopped") == RunOperation("list", {"state": "stopped"})
