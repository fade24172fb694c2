"""App Home as blocks: within Slack's limits with any number of things, and safe whatever these are called."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from tests.unit.bot.changes_in_every_state import AGENT, ALICE, APPROVE, HOSTILE, NOW, change, hostile
from tests.unit.bot.messages.test_change_card import OURS, parsed_texts
from vpsops.bot.blocks.elements import Block, Post, unpack
from vpsops.bot.protocol import action_ids
from vpsops.bot.slack_api.block_limits import fit_view, view_limit_violations
from vpsops.bot.views.home import HomePage, HomeServers, comparable_blocks, home_view, plain_home
from vpsops.bot.views.shortcuts import ServerChoice, act_view, outcome_view, server_options
from vpsops.core.audit import records
from vpsops.core.audit.records import TrailRecord
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.changes.model import State
from vpsops.core.messaging.preferences import Preferences
from vpsops.core.wayscloud.answers.models import Server
from vpsops.playground.slack.rendering.limits import check_view

LINK = re.compile(r"<https://acme\.slack\.com/archives/C1/p\d+\?a&amp;b\|Open card>")
WORDS = st.text(min_size=1, max_size=300) | st.sampled_from([HOSTILE, "<!everyone>", "&" * 3000, "`*_~" * 90])


def record(words: str, seq: int = 1) -> TrailRecord:
    """Return a record of the trail in which everything from outside is `words`."""
    body = {"by": {"id": words, "name": words}, "operation": words, "target": {"hostname": words}, "reason": words}
    text = records.canonical(seq, 1.0, words, words, body)
    return TrailRecord(seq, NOW.timestamp(), words, words, text, "", "")


def server(words: str, number: int = 0, status: str = "error") -> Server:
    """Return a server that is called whatever it likes."""
    return Server(id=f"{words}{number}", hostname=words, status=status, region=words, ipv4=words)


def crowded(words: str, number: int) -> HomePage:
    """Return a Home with everything there can be, many times."""
    votes = [replace(hostile(State.HELD, words), id=f"chg_v{at}", expires_at=NOW) for at in range(number)]
    own = [replace(hostile(state, words), id=f"chg_{state}{at}") for state in State for at in range(number)]
    unclear = [replace(hostile(State.NEEDS_PERSON, words), id=f"chg_u{at}") for at in range(number)]
    return HomePage(
        now=NOW,
        votes=votes,
        unclear=unclear,
        own=own,
        fleet=HomeServers([server(words, at) for at in range(number)] + [server(words, 0, words)], words),
        records=[record(words, at) for at in range(number)],
        pause=Pause(paused=True, by=AGENT, at=NOW, reason=words),
        may_resume=True,
        links={
            entry.id: f"https://acme.slack.com/archives/C1/p{at}?a&b"
            for at, entry in enumerate((*votes, *unclear, *own))
        },
        notice=words,
    )


def assert_words_stay_words(view: Block) -> None:
    """Assert that no markup but our own is in a view: mentions, dates, and links to our cards."""
    for text in parsed_texts(view["blocks"]):
        rest = LINK.sub("", OURS.sub("", text))
        assert not set("<>`") & set(rest), text


def words_on(view: Block) -> str:
    """Return a view's own text, for searching in it."""
    return str(view)


@settings(max_examples=examples(12))
@given(WORDS)
def test_a_crowded_home_is_within_the_limits_and_safe(words: str) -> None:
    """Twenty of everything, called whatever they like: under a hundred blocks, no markup from outside."""
    view = home_view(crowded(words, 20))
    assert len(view["blocks"]) <= 100
    assert list(view_limit_violations(view)) == []
    assert check_view(view) == []
    assert_words_stay_words(view)


def test_ten_thousand_servers_are_a_few_lines_with_the_failed_first() -> None:
    """Counts by state, problems by name, the rest by a command."""
    fleet = [Server(id=f"s{at}", hostname=f"web{at:05}", status="running") for at in range(10_000)]
    fleet += [Server(id=f"p{at}", hostname=f"new{at:02}", status="provisioning") for at in range(20)]
    fleet += [Server(id="f1", hostname="broken", status="error")]
    view = home_view(HomePage(NOW, fleet=HomeServers(fleet)))
    words = words_on(view)
    assert "1 failed, 20 provisioning, 10000 running" in words
    assert words.index("broken failed") < words.index("new00 provisioning")
    assert "and 13 more" in words
    assert len(view["blocks"]) < 30


def test_the_buttons_carry_exactly_what_is_shown() -> None:
    """Change and digest are in the value and in the block's id, as on a card."""
    held = change(actor=AGENT, ruling=APPROVE)
    buttons = [item for block in home_view(HomePage(NOW, votes=[held]))["blocks"] for item in block.get("elements", [])]
    approve = next(button for button in buttons if button.get("action_id") == action_ids.APPROVE)
    assert unpack(approve["value"]) == {"c": held.id, "d": held.digest[:16]}


def test_own_changes_have_the_askers_buttons_and_ended_ones_have_none() -> None:
    """A hold of one's own is confirmed or withdrawn; an ended change is only shown."""
    own = [change(), change(State.SUCCEEDED, id="chg_done")]
    view = home_view(HomePage(NOW, own=own))
    actions = [
        item["action_id"] for block in view["blocks"] for item in block.get("elements", []) if "action_id" in item
    ]
    assert actions == [action_ids.NEW, action_ids.MORE, action_ids.REFRESH, action_ids.CONFIRM, action_ids.CANCEL]


@pytest.mark.parametrize("may", [True, False])
def test_letting_agents_go_on_is_offered_to_those_who_may(may: bool) -> None:
    """The state is shown to all; the way back asks once more."""
    pause = Pause(paused=True, by=ALICE, at=NOW, reason="the sale")
    view = home_view(HomePage(NOW, pause=pause, may_resume=may))
    accessories = [item["accessory"] for item in view["blocks"] if "accessory" in item]
    resumes = [item for item in accessories if item["action_id"] == action_ids.HOME_RESUME]
    assert len(resumes) == may
    assert all("confirm" in resume for resume in resumes)
    assert "because the sale" in words_on(view)


def test_settings_say_what_they_are_and_their_buttons_what_they_will_be() -> None:
    """A button names the value it sets, so pressing it twice is pressing it once."""
    view = home_view(HomePage(NOW, preferences=Preferences(dm_settled=False)))
    values = [
        unpack(item["accessory"]["value"]) for item in view["blocks"] if "vps:setting" in str(item.get("accessory"))
    ]
    assert values == [{"set": "dm_settled", "to": True}, {"set": "dm_reminders", "to": False}]


def test_a_home_drawn_later_is_worth_publishing_only_if_something_else_differs() -> None:
    """The time alone is no reason."""
    entry, later = home_view(HomePage(NOW)), home_view(HomePage(NOW + timedelta(minutes=5)))
    assert entry != later
    assert comparable_blocks(entry) == comparable_blocks(later)
    assert comparable_blocks(entry) != comparable_blocks(
        home_view(HomePage(NOW, votes=[change(ruling=APPROVE, actor=AGENT)]))
    )


def test_a_home_that_would_not_fit_says_so_as_a_home() -> None:
    """The last resort is a Home too, for Slack refuses anything else there."""
    view = fit_view(plain_home(*["x"] * 101))
    assert view["type"] == "home"
    assert check_view(view) == []


@settings(max_examples=examples(12))
@given(WORDS)
def test_the_shortcuts_form_is_within_the_limits_and_safe(words: str) -> None:
    """Forty servers, whatever they are called; answers drawn into the form lose their controls."""
    servers = [server(words, at) for at in range(40)]
    may = {item.id: ["get", "status", "start", "stop", "reboot"] for item in servers}
    post = Post((*home_view(crowded(words, 3))["blocks"],))
    for view in (act_view(ServerChoice(servers, may, words), {"ch": "C1"}), outcome_view(post, {"ch": "C1"})):
        assert list(view_limit_violations(view)) == []
        assert check_view(view) == []
        assert_words_stay_words(view)
    assert all(
        len(option["value"]) <= 150 and len(option["text"]["text"]) <= 75 for option in server_options(servers, "")
    )


def names_of(offered: list[Block]) -> list[Any]:
    return [item["text"]["text"] for item in offered]


def test_servers_are_offered_by_every_word_typed_in_the_order_of_their_names() -> None:
    """Name, address, id, state and region count; an unknown word leaves nothing."""
    servers = [
        Server(id="2", hostname="web02.example.com", status="stopped", region="oslo", ipv4="10.0.0.2"),
        Server(id="1", hostname="web01.example.com", status="running", region="oslo", ipv4="10.0.0.1"),
    ]
    assert [name.split()[1] for name in names_of(server_options(servers, "WEB oslo"))] == [
        "web01.example.com",
        "web02.example.com",
    ]
    assert len(server_options(servers, "10.0.0.2 stopped")) == 1
    assert server_options(servers, "bergen") == []


def test_activity_is_one_line_for_each_change_with_its_end() -> None:
    """However many steps it took; the newest first."""
    ended = replace(change(State.SUCCEEDED), id="chg_1")
    steps = [replace(record("chg_1", at), change_id="chg_1", event=word) for at, word in enumerate(("sent", "done"))]
    view = home_view(
        HomePage(now=NOW, records=[*steps, replace(record("x", 3), change_id=None)], ends={"chg_1": ended})
    )
    (activity,) = [str(block["text"]["text"]) for block in view["blocks"] if "<!date" in str(block.get("text"))]
    first, second = activity.split("\n")
    assert second.endswith("🟢 Reboot web01.example.com: done")
    assert "Reboot" not in first


def test_a_count_of_servers_leads_to_them() -> None:
    """A button for each of the first states lists its servers."""
    servers = [server("web", 1, "running"), server("db", 2, "error")]
    blocks = home_view(HomePage(now=NOW, fleet=HomeServers(servers)))["blocks"]
    row = next(block for block in blocks if block.get("block_id") == "vps:home:states")["elements"]
    assert [item["text"]["text"] for item in row] == ["List 1 failed", "List 1 running"]
    assert unpack(row[0]["value"]) == {"op": "list", "args": {"state": "failed"}}
