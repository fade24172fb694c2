"""The changes, the trail and the report as people see them: linked, paged, safe, and plainer for a channel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from tests.unit.bot.changes_in_every_state import AGENT, ALICE, APPROVE, HOSTILE, NOW, change, hostile
from tests.unit.bot.messages.test_change_card import assert_safe
from vpsops.bot.blocks.elements import Post, shared_copy, unpack
from vpsops.bot.context.permalinks import best_copy
from vpsops.bot.messages.ephemeral import command_suggestions
from vpsops.bot.messages.lists import PageLinks, PageQuery, audit_page, audit_page_for_everyone, card_page, changes_page
from vpsops.bot.messages.report import report_page
from vpsops.bot.slack_api.block_limits import fit_post
from vpsops.core.audit.records import GENESIS, TrailRecord, canonical
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.changes.model import State, Verdict
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.reports.report_queries import costs_of
from vpsops.core.reports.status_report import FleetCounts, MonthlyCosts, StatusReport
from vpsops.core.wayscloud.answers.models import Plan, Server

LINK = "https://acme.slack.com/archives/C0OPS/p1700000000000100"
HERE = PageQuery("changes", {"scope": "mine"})
TURNS = PageLinks(HERE, HERE, PageQuery("changes", {"scope": "mine", "before": "chg_1"}))
WORDS = st.text(max_size=300) | st.sampled_from([HOSTILE, "<!everyone>", "&" * 3000])


def record(seq: int = 1, change_id: str | None = "chg_1", **body: object) -> TrailRecord:
    return TrailRecord(seq, 1.8e9, "voted", change_id, canonical(seq, 1.8e9, "voted", change_id, body), GENESIS, "")


def texts(post: Post) -> str:
    return str(post.blocks)


def labels(post: Post) -> list[str]:
    return [item["text"]["text"] for block in post.blocks if block["type"] == "actions" for item in block["elements"]]


def test_changes_link_to_their_cards_and_turn_the_page() -> None:
    """A change with a known card has a link; the buttons carry the request."""
    post = changes_page("Your changes", [change(id="chg_1"), change(id="chg_2")], {"chg_1": LINK}, TURNS)
    assert texts(post).count(f"<{LINK}|open card>") == 1
    assert labels(post) == ["Newest", "Older", "Share here"]
    older = next(block for block in post.blocks if block["type"] == "actions")["elements"][1]
    assert unpack(older["value"]) == {"v": "changes", "a": {"scope": "mine", "before": "chg_1"}}
    assert labels(shared_copy(post, "<@U0BOB>")) == []


def test_a_list_for_everyone_rings_nobody() -> None:
    """The asker is a mention in private and a name in a channel, in the changes and in the report."""
    changes = (change(id="chg_1"), change(id="chg_2", actor=AGENT))
    standing = StatusReport(NOW, FleetCounts(), Pause(), changes, changes)
    for private, shared in (
        (changes_page("x", changes, {}, TURNS), changes_page("x", changes, {}, TURNS, everyone=True)),
        (report_page(standing, {}), report_page(standing, {}, everyone=True)),
    ):
        assert "<@U0ALICE>" in texts(private)
        assert "<@" not in texts(shared)
        assert "alice" in texts(shared)
        assert "the agent that calls itself “helper”" in texts(shared)


def test_a_channel_is_told_neither_reasons_nor_refusals_of_the_trail() -> None:
    """Reasons and refusals are for the reader alone; acts on changes may be shown."""
    by = {"id": "U0BOB", "name": "bob", "human": "U0BOB", "kind": "person"}
    records = [
        record(1, by=by, verdict="deny", reason="secret plan", evidence="x"),
        record(2, None, actor=by, why="not you"),
    ]
    private = texts(audit_page("The trail", records, {"chg_1": LINK}, TURNS))
    shared = texts(audit_page_for_everyone("The trail", records, {"chg_1": LINK}, TURNS))
    assert "secret plan" in private
    assert "not you" in private
    assert "by bob" in shared
    assert "secret plan" not in shared
    assert "not you" not in shared


@pytest.mark.requirement("one-row-for-each-change")
def test_a_change_is_one_row_of_the_trail_with_its_end_and_its_details_on_demand() -> None:
    """However many records it has; what belongs to no change keeps its own rows."""
    by = {"id": "U0BOB", "name": "bob", "human": "U0BOB", "kind": "person"}
    records = [record(3, by=by), record(2, None, actor=by, why="not you"), record(1, by=by, reason="secret plan")]
    ends = {"chg_1": change(State.SUCCEEDED, id="chg_1")}
    private = audit_page("The trail", records, {"chg_1": LINK}, TURNS, ends)
    rows = [block for block in private.blocks if block["type"] == "section"]
    assert [row["text"]["text"].split("\n")[0] for row in rows] == ["🟢 Reboot web01.example.com: done", "voted"]
    assert unpack(rows[0]["accessory"]["value"]) == {"v": "audit", "a": {"change": "chg_1"}}
    assert "#3 chg_1" in texts(private)
    shared = texts(audit_page_for_everyone("The trail", records, {}, TURNS, ends))
    assert shared.count("Reboot web01.example.com: done") == 1
    assert "<@" not in shared
    assert "not you" not in shared


@settings(max_examples=examples(40))
@given(WORDS)
def test_pages_are_safe_whatever_is_in_them(words: str) -> None:
    """Names, reasons and events from outside bring no markup and pass no limit."""
    villain = hostile(State.HELD, words)
    person = {"id": words or "x", "name": words, "human": f"{words}!"}
    records = [record(n, by=person, reason=words, why=words, operation=words, target=words) for n in range(10)]
    fleet = FleetCounts({words or "?": 3}, MonthlyCosts({words: 1e9}, 4, 2), lack=words, problem=words[:9])
    standing = StatusReport(NOW, fleet, Pause(True, AGENT, NOW, words), (villain,) * 60, (villain,) * 60)
    turns = PageLinks(PageQuery("audit", {"server": words}), None, PageQuery("audit", {"server": words * 8}))
    for post in (
        changes_page(words, [villain] * 10, {}, turns),
        audit_page(words, records, {}, turns),
        audit_page_for_everyone(words, records, {}, turns),
        audit_page(words, records, {}, turns, {"chg_1": villain}),
        audit_page(words, records * 2, {}, turns),
        report_page(standing, {}),
        card_page(villain, {}, Verdict.APPROVE),
        command_suggestions(words, words, [f"reboot {words}"] * 4),
    ):
        assert_safe(fit_post(post))


@pytest.mark.parametrize("verdict", Verdict)
def test_a_typed_verdict_decides_nothing_and_leads_to_the_card(verdict: Verdict) -> None:
    """The answer states that, has the link, and no button that votes."""
    post = card_page(change(id="chg_1", ruling=APPROVE, actor=AGENT), {"chg_1": LINK}, verdict)
    assert "Nothing was decided" in post.text
    assert LINK in texts(post)
    assert labels(post) == []
    ended = card_page(change(State.DENIED, id="chg_1"), {}, verdict)
    assert "already" in ended.text


def test_a_command_too_long_for_a_button_has_none() -> None:
    """Nothing is cut off what a press would do."""
    assert labels(command_suggestions("?", "", ["reboot web01", f"reboot web01 because {'x' * 2000}"])) == [
        "/vps reboot web01"
    ]


def test_the_report_says_how_everything_stands() -> None:
    """The fleet by state, costs with unknown ones, holds by the person they wait for, the pause, the last day."""
    held = (change(ruling=APPROVE, actor=AGENT, id="chg_1"), change(id="chg_2"), change(State.WATCHING, id="chg_3"))
    fleet = FleetCounts({"running": 9_000, "stopped": 1}, MonthlyCosts({"NOK": 99.5, "EUR": 3.0}, 2))
    standing = StatusReport(
        NOW, fleet, Pause(True, ALICE, NOW, "the sale"), held, (change(State.FAILED),), {State.FAILED: 1}
    )
    text = report_page(standing, {"chg_1": LINK}).text
    assert "9,001: 9,000 running, 1 stopped" in text
    assert "3 EUR a month and 99.50 NOK a month, and 2 of unknown price" in text
    assert "1 waiting for approval, 1 waiting for confirmation" in text
    assert "alice paused them" in text
    assert "1 failed" in text
    assert LINK in texts(report_page(standing, {"chg_1": LINK}))


def test_a_provider_that_is_down_leaves_the_rest_of_the_report() -> None:
    """An unknown figure is named in its place."""
    text = report_page(StatusReport(NOW, FleetCounts(problem="It is down. (err_1)"), Pause()), {}).text
    assert "Servers: unavailable: It is down. (err_1)" in text
    assert "Agents: active" in text
    assert "Monthly cost" not in text


def test_costs_come_from_the_server_or_from_its_plan() -> None:
    """A server's own price first, its plan's price else, and whatever has neither is counted."""
    servers = [
        Server(id="a", hostname="a", status="running", monthly_price=10.0, currency="NOK", plan="P1"),
        Server(id="b", hostname="b", status="running", plan="p1"),
        Server(id="c", hostname="c", status="running", plan="p2"),
        Server(id="d", hostname="d", status="running"),
    ]
    assert costs_of(servers, [Plan(code="P1", monthly_price=5.5, currency="NOK")]) == MonthlyCosts({"NOK": 15.5}, 2)


def test_one_is_sent_to_the_copy_one_can_open() -> None:
    """The copy in one's own channel first, else the voters', never another person's direct messages."""
    copies = [
        PostedMessage("change:chg_1", "card", "D0BOB", "1"),
        PostedMessage("change:chg_1", "card", "C0OPS", "2"),
        PostedMessage("change:chg_1", "approval", "C0APPROVALS", "3"),
        PostedMessage("change:chg_1", "told:failed", "C0OPS", "4"),
    ]

    def ts(channel: str, *, own: bool = False, of: list[PostedMessage] = copies) -> str:
        best = best_copy(of, channel, own=own)
        return best.ts if best else ""

    assert (ts("C0OPS"), ts("C0ELSE"), ts("D0BOB", own=True)) == ("2", "3", "1")
    assert ts("C0OPS", of=copies[:1]) == ""
    assert ts("C0OPS", of=copies[3:]) == ""


def test_the_person_behind_an_agent_is_a_mention_in_private_and_not_called_in_a_channel() -> None:
    """An account's id is no name; a mention in a channel would notify its person of every page."""
    by = {"id": "mcp:helper", "name": "helper", "human": "slack:U0ALICE", "kind": "agent"}
    records = [record(1, operation="reboot", actor=by)]
    private = str(audit_page("The trail", records, {}, TURNS).blocks)
    shared = str(audit_page_for_everyone("The trail", records, {}, TURNS).blocks)
    assert "for <@U0ALICE>" in private
    assert "slack:U0ALICE" not in private + shared
    assert "<@U0ALICE>" not in shared
