"""Long lists are turned page by page: every server once, whatever it is called, and always the page that was meant."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from tests.unit.bot.changes_in_every_state import HOSTILE
from tests.unit.bot.messages.test_change_card import assert_safe
from vpsops.bot.blocks.elements import Post, unpack
from vpsops.bot.blocks.tables import without_table
from vpsops.bot.messages.results import WholeList, server_table
from vpsops.bot.messages.servers import OperationCall, server_page
from vpsops.bot.slack_api.block_limits import MAX_POSTED_TEXT, fit_post, limit_violations
from vpsops.core.operations.servers import LAST, ListArguments, ServerList, page
from vpsops.core.wayscloud.answers.models import Server

NAMES = st.text(min_size=1, max_size=40) | st.sampled_from([HOSTILE, "|<a", "|$", "<", "\u00c5re", "x" * 400])
FLEETS = st.lists(NAMES, max_size=60).map(
    lambda names: [Server(id=f"id-{number}", hostname=name, status="running") for number, name in enumerate(names)]
)


def fleet(count: int) -> list[Server]:
    return [Server(id=f"id-{n}", hostname=f"host-{n:05}.example.com", status="running") for n in range(count)]


def listed(servers: list[Server], **filters: Any) -> tuple[ServerList, Post]:
    listing = page(servers, ListArguments.model_validate(filters))
    return listing, server_page(listing, OperationCall("list", filters))


def turns(post: Post) -> dict[str, dict[str, Any]]:
    """Return what the buttons that turn the page ask for, by their words."""
    row = [item for block in post.blocks if block["type"] == "actions" for item in block["elements"]]
    return {
        item["text"]["text"]: unpack(item["value"])["args"] for item in row if item["action_id"].startswith("vps:run")
    }


@settings(max_examples=examples(60))
@given(FLEETS, st.integers(1, 7))
def test_turning_the_page_shows_every_server_once(servers: list[Server], limit: int) -> None:
    """Forwards from the first page to the end, whatever the servers are called, none is left out or shown twice."""
    seen: list[str] = []
    cursor: str | None = None
    while True:
        listing = page(servers, ListArguments(limit=limit, cursor=cursor))
        assert listing.skipped == len(seen)
        seen += [server.id for server in listing.servers]
        if listing.next_cursor is None or len(seen) > len(servers):
            break
        cursor = listing.next_cursor
    ordered = sorted(servers, key=lambda server: f"{server.hostname.lower()}|{server.id}".strip())
    assert seen == [item.id for item in ordered]


@settings(max_examples=examples(60))
@given(st.integers(1, 90), st.integers(1, 9))
def test_back_is_where_one_came_from(count: int, limit: int) -> None:
    """From the last page back to the first: full pages, without a gap, and the last page is the rest."""
    servers = fleet(count)
    listing = page(servers, ListArguments(limit=limit, cursor=LAST))
    assert listing.skipped + len(listing.servers) == count
    assert listing.next_cursor is None
    expected = listing.skipped
    while listing.previous_cursor is not None:
        listing = page(servers, ListArguments(limit=limit, cursor=listing.previous_cursor))
        assert listing.skipped + len(listing.servers) == expected
        expected = listing.skipped
    assert expected == 0


@settings(max_examples=examples(60))
@given(FLEETS, st.text(max_size=253), st.sampled_from([None, LAST, "|<zzz", "m", "\x00"]))
def test_every_page_of_any_fleet_fits_into_slack(servers: list[Server], name: str, cursor: str | None) -> None:
    """Whatever the names and the filter, the message is safe, and no button's value is too long."""
    inputs = {"name": name} | ({"cursor": cursor} if cursor else {})
    for arguments in (inputs, {}):
        _, post = listed(servers, **arguments)
        assert_safe(fit_post(post))


def test_the_buttons_keep_the_filter_and_say_where_one_is() -> None:
    """In the middle of 10,000 there are four ways to go, each with the filter that was typed."""
    servers = fleet(10_000)
    result, first = listed(servers, name="host")
    assert "10,000 servers, 1 to 20 shown" in first.text
    assert list(turns(first)) == ["Next", "Last"]
    _, second = listed(servers, **turns(first)["Next"])
    assert "21 to 40 shown" in second.text
    assert list(turns(second)) == ["First", "Previous", "Next", "Last"]
    assert all(asked["name"] == "host" for asked in turns(second).values())
    assert turns(second)["First"] == {"name": "host"}
    assert listed(servers, **turns(second)["Previous"])[0].servers == result.servers
    assert "9,981 to 10,000 shown" in listed(servers, **turns(second)["Last"])[1].text


@pytest.mark.parametrize("gone", [19, 20, 25])
def test_a_server_that_goes_meanwhile_shifts_no_page(gone: int) -> None:
    """The next page begins after the last server that was seen, also when that one is deleted."""
    servers = fleet(60)
    result, _ = listed(servers)
    left = [server for server in servers if server.id != f"id-{gone}"]
    following, _ = listed(left, cursor=result.next_cursor)
    assert following.servers[0].id == ("id-21" if gone == 20 else "id-20")


def test_names_too_long_to_turn_by_are_said_to_be() -> None:
    """A value that Slack would refuse is left out, and the page states what to do instead."""
    servers = [Server(id=f"id-{n}", hostname=f"{'x' * 2500}{n:03}", status="running") for n in range(30)]
    _, post = listed(servers)
    assert list(turns(post)) == ["Last"]
    assert "narrow the list" in str(post.blocks)


def test_a_list_of_several_pages_can_be_had_as_one_table() -> None:
    """The button keeps the filter and not the page; a list of one page has none."""
    for arguments in ({"name": "host", "limit": 10}, {"name": "host", "cursor": LAST}):
        _, post = listed(fleet(150), **arguments)
        whole = next(item for item in post.blocks[-1]["elements"] if item["action_id"] == "vps:whole_list")
        assert whole["text"]["text"] == "All 150 as a table"
        assert unpack(whole["value"]) == {"op": "list", "args": {"name": "host"}}
    assert "The first 200 as a table" in listed(fleet(201))[1].text
    assert "as a table" not in listed(fleet(20))[1].text


@settings(max_examples=examples(40))
@given(FLEETS)
def test_a_table_of_any_fleet_fits_into_slack(servers: list[Server]) -> None:
    """Whatever the names, in its table and where a workspace takes none; its text has each."""
    post = server_table(WholeList(servers, len(servers)), OperationCall("list", {}))
    for variant in (post, without_table(post)):
        assert_safe(fit_post(variant, MAX_POSTED_TEXT))


def test_a_table_holds_two_hundred_servers_and_says_how_many_it_leaves_out() -> None:
    """Every row is in the text too, which screen readers read, and in the plain lines of a workspace without tables."""
    servers = [replace_labels(server) for server in fleet(201)]
    post = server_table(
        WholeList(servers[:200], 201, "The region of 1 server is not known."), OperationCall("list", {})
    )
    (table,) = (block for block in post.blocks if block["type"] == "data_table")
    assert len(table["rows"]) == 201
    assert [cell["text"] for cell in table["rows"][1]] == ["host-00000.example.com", "running", "id-0", "ann"]
    assert "1 more are not in this table. Narrow the list down to see them." in post.text
    assert "The region of 1 server is not known." in post.text
    assert "host-00199.example.com, running, id-199, ann." in post.text
    older = without_table(post)
    assert fit_post(older, MAX_POSTED_TEXT) == older
    assert "host-00199.example.com · running · id-199 · ann" in str(older.blocks)
    assert len(fit_post(post).text) == 4000


def test_a_table_of_long_names_is_cut_at_a_row() -> None:
    """Slack takes 20,000 characters; the rest is said to be left out."""
    servers = [Server(id="i" * 90, hostname="x" * 90 + f"{number:03}", status="running") for number in range(200)]
    post = server_table(WholeList(servers, 200), OperationCall("list", {}))
    assert not list(limit_violations(post.blocks, "message"))
    assert "101 more are not in this table." in post.text


def replace_labels(server: Server) -> Server:
    return server.model_copy(update={"labels": {"owner": "ann"}})


def test_a_page_costs_the_schemas_nothing() -> None:
    """What the buttons need is not sent to models."""
    assert set(ServerList.model_json_schema()["properties"]) == {"servers", "total", "next_cursor"}
    assert set(page(fleet(30), ListArguments(cursor=LAST)).model_dump()) == {"servers", "total", "next_cursor"}
