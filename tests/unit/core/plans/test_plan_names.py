"""The names of a plan's servers: every one is either among the facts or among the others, and none is cut."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bot.changes_in_every_state import change
from vpsops.bot.blocks.plan_names import PART, name_posts, names_text
from vpsops.cli.operations.question import question_facts
from vpsops.core.changes.model import Change, State
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.target import ServerName, Target
from vpsops.core.plans.names import LONGEST_NAMES, SHOWN, listed_names, name_parts, other_names
from vpsops.mcp_server.presenters.changes import change_text
from vpsops.mcp_server.protocol.elicitation import form_text

NAMES = st.lists(st.text("abc-.", min_size=1, max_size=253), max_size=60)


def plan(names: list[str], state: State = State.HELD) -> Change:
    members = tuple(ServerName(f"i{number}", name) for number, name in enumerate(names))
    target = Target("", f"{len(names)} servers", labels=(), members=members)
    return change(state, operation="plan_reboot", target=target, facts=(Fact("Servers", listed_names(names)),))


def web(count: int) -> list[str]:
    return [f"web{number:04}.example.com" for number in range(1, count + 1)]


@given(NAMES)
def test_every_name_is_listed_or_among_the_others(names: list[str]) -> None:
    """In their order; the list counts the others, and fits."""
    listed, others = listed_names(names), other_names(plan(names))
    head, counted, _ = listed.partition(" and ")
    shown = head.split(", ") if head else []
    assert [*shown, *others] == names
    assert len(shown) <= SHOWN
    assert len(head) <= LONGEST_NAMES
    assert listed.endswith(f" and {len(others)} more") if others else not counted


@given(NAMES, st.integers(253, 1000))
def test_parts_have_every_name_once_and_are_bounded(names: list[str], limit: int) -> None:
    """No part is longer than it may be, and another name would not have fitted into it."""
    parts = name_parts(names, limit)
    assert [name for part in parts for name in part] == names
    assert all(len(", ".join(part)) <= limit for part in parts)
    assert all(len(", ".join([*part, after[0]])) > limit for part, after in itertools.pairwise(parts))


@pytest.mark.parametrize(("count", "others"), [(20, 0), (21, 1), (60, 40)])
def test_the_card_says_where_the_other_names_are(count: int, others: int) -> None:
    """Nothing where there are none, and nothing once the plan has ended."""
    held = plan(web(count))
    assert len(other_names(held)) == others
    for posted in (False, True):
        text = names_text(held, posted=posted)
        assert (f"{others} more server" in text) is bool(others)
        assert ("are not in the thread" in text) is (bool(others) and not posted)
        assert names_text(plan(web(count), State.DENIED), posted=posted) == ""


def test_messages_of_the_largest_plan_are_bounded() -> None:
    """A thousand servers with the longest names: every name once, in messages whose text holds all of them."""
    names = [f"{number:04}-{'x' * 248}" for number in range(1000)]
    posts = name_posts(plan(names))
    assert len(posts) <= 100
    said = ", ".join(post.blocks[0]["text"]["text"] for post in posts)
    assert said.split(", ") == names[6:]
    assert all(len(post.blocks[0]["text"]["text"]) <= PART for post in posts)
    assert all(name in posts[0].text for name in names[6:16])
    assert posts[0].blocks[1]["elements"][0]["text"].startswith("Servers 7 to 16 of 1000 of chg_")


def test_no_other_change_has_names() -> None:
    """A change about one server has them on its card."""
    assert other_names(change()) == []
    assert name_posts(change()) == []
    assert names_text(change(), posted=False) == ""


def test_the_terminal_asks_with_every_name() -> None:
    """A thousand of them, none cut."""
    facts = dict(question_facts(plan(web(1000))))
    assert [*facts["Servers"].removesuffix(" and 980 more").split(", "), *facts["And also"].split(", ")] == web(1000)


def test_an_assistant_asks_its_human_with_every_name_that_fits() -> None:
    """Three hundred are all there; of a thousand the rest is counted, with the command that lists them."""
    few, many = form_text(plan(web(300))), form_text(plan(web(1000)))
    assert all(name in few for name in web(300))
    assert "more: a terminal" not in few
    assert "more: a terminal lists all with vpsops changes chg_0123456789ab." in many
    counted = int(many.split(" more: a terminal")[0].rsplit(" ", 1)[1])
    assert sum(name in many for name in web(1000)) + counted == 1000
    assert len(many) < 16_000


def test_a_model_reads_the_names_that_are_asked_about() -> None:
    """The first twenty uncut, then so many that the answer stays short, with the number of the others."""
    text = change_text(plan(web(60)), tools=True)
    assert all(name in text for name in web(60))
    assert "more: a terminal" in change_text(plan(web(600)), tools=True)
    ended = change_text(plan(web(60), State.DENIED), tools=True)
    assert "web0021" not in ended


def test_hidden_characters_of_a_name_are_not_shown() -> None:
    """Names come from outside."""
    held = plan([*web(20), "a\u202eb\n\u0007c"])
    assert "\u202e" not in "".join(other_names(held))
    assert replace(held, operation="reboot").target.members
    assert other_names(replace(held, operation="reboot")) == []
