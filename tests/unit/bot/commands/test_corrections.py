"""What is typed around a command, and filters that there are not, are answered with what was meant, on buttons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.bot.commands.list_filters import parse_filters
from vpsops.bot.commands.parser import RunOperation, UnclearCommand, parse_command
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
