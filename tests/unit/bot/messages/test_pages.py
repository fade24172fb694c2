"""Pages, choices and forms fit and stay safe, whatever the provider calls its things."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clock import START
from tests.harness.profiles import examples
from tests.unit.bot.changes_in_every_state import HOSTILE, change
from tests.unit.bot.messages.test_change_card import assert_safe
from vpsops.bot.blocks.elements import Post, unpack
from vpsops.bot.blocks.tables import without_table
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.bot.commands.parser import parse_command
from vpsops.bot.features.operations import result_post
from vpsops.bot.features.server_actions import fitting
from vpsops.bot.messages.catalogue import plans_table, regions_table, systems_table
from vpsops.bot.messages.ephemeral import error_note, note, server_suggestions
from vpsops.bot.messages.help import EVERYDAY, TIMES, command_groups, example_of, help_page, usage_in_group
from vpsops.bot.messages.servers import OperationCall, server_choice, server_details, server_page, usage_page
from vpsops.bot.protocol.command_catalog import LISTED
from vpsops.bot.slack_api.block_limits import fit_post, view_limit_violations
from vpsops.bot.views.modals import CreateDraft, OrderOptions, create_view, deny_view, encode_option, read_values
from vpsops.core.common.errors import InvalidInputError, UnknownServerError
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.catalogue import OsTemplates, Plans, Regions
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, Region, Server, Usage
from vpsops.playground.slack.rendering.limits import check_message, check_view

WORDS = st.text(min_size=1, max_size=300) | st.sampled_from([HOSTILE, "<!everyone>", "&" * 3000, "`*_~" * 90])
LIST = OperationCall("list", {})


def server(words: str, number: int = 0) -> Server:
    """Return a server that is called whatever it likes."""
    return Server(
        id=f"{words}{number}", hostname=words, status=words, region=words, plan=words, ipv4=words, display_name=words
    )


@settings(max_examples=examples(40))
@given(WORDS)
def test_pages_are_safe_whatever_things_are_called(words: str) -> None:
    """Lists, details, usage, choices, catalogues, errors: no markup from outside, no limit passed."""
    many = [server(words, number) for number in range(20)]
    result = ServerList(servers=many, total=900, next_cursor=words)
    plans = [Plan(code=words, name=words, currency=words, monthly_price=1.5)] * 80
    for post in (
        server_page(result, LIST),
        server_details(server(words), LIST),
        usage_page(words, Usage(status=words, cpu_percent=500.0, network_in_bytes=10**30), LIST),
        server_choice(words, "reboot", [(item.id, item.hostname) for item in many * 2], {"why": words}),
        plans_table(plans, words),
        plans_table([], words),
        systems_table([OsTemplate(id=words, name=words)] * 80),
        regions_table([Region(code=words, name=words, country=words)] * 80),
        without_table(plans_table(plans)),
        note(words, words, words),
        error_note(InvalidInputError(words, hint=words)),
        server_suggestions(UnknownServerError(words, [words]), "reboot", [words] * 3, {"why": words}),
        help_page(words),
    ):
        assert_safe(fit_post(post))


@settings(max_examples=examples(25))
@given(WORDS, st.integers(min_value=1, max_value=260))
def test_the_form_fits_however_much_is_on_offer(words: str, count: int) -> None:
    """Hundreds of plans and endless codes make a form that Slack takes."""
    catalogue = OrderOptions(
        tuple(Plan(code=f"{words}{n}", name=words, monthly_price=99.0) for n in range(count)),
        tuple(OsTemplate(id=f"{words}{n}") for n in range(3)),
        tuple(Region(code=f"{words}{n}", name=words) for n in range(2)),
    )
    view = create_view(catalogue, CreateDraft({"hostname": words[:200], "plan": words}, "C0OPS"))
    assert not list(view_limit_violations(view))
    assert not check_view(view)
    assert not check_view(deny_view(change(), {"c": "chg_1"}))


def test_a_choice_runs_exactly_what_is_on_its_button() -> None:
    """Servers of one name are distinguished by id, and each button carries its own."""
    post = server_choice("web", "stop", [("a1", "web.example.com"), ("b2", "web.example.com")])
    row = next(block for block in post.blocks if block["type"] == "actions")["elements"]
    assert [unpack(item["value"]) for item in row] == [
        {"op": "stop", "args": {"server": "a1"}},
        {"op": "stop", "args": {"server": "b2"}},
    ]
    assert "(a1)" in row[0]["text"]["text"]


@pytest.mark.parametrize(
    ("status", "operations"),
    [
        ("running", ["get", "status", "stop", "reboot"]),
        ("stopped", ["get", "status", "start"]),
        ("error", ["get", "status", "start", "stop", "reboot"]),
    ],
)
def test_a_server_offers_what_fits_its_state(status: str, operations: list[str]) -> None:
    """A stopped server can be started, a running one rebooted or stopped; the rest is behind the last of each row."""
    listed = Server(id="a1", hostname="web01", status=status)
    offered = {"a1": fitting(listed)}
    post = server_details(listed, OperationCall("get", {"server": "a1"}), offered)
    row = next(block for block in post.blocks if block["type"] == "actions")["elements"]
    assert [unpack(item["value"])["op"] for item in row[:-2]] == operations[1:]
    assert [item["action_id"] for item in row[-2:]] == ["vps:more", "vps:share"]
    menu = server_page(ServerList(servers=[listed], total=1), LIST, offered).blocks[1]["accessory"]
    assert [item["value"].split()[0] for item in menu["options"]] == [*operations[:4], "more"]


def test_without_rights_there_are_neither_buttons_nor_menus() -> None:
    """Nothing is offered that would be refused; sharing what is seen stays."""
    listed = Server(id="a1", hostname="web01", status="running")
    assert "accessory" not in server_page(ServerList(servers=[listed], total=1), LIST, {"a1": []}).blocks[1]
    row = next(block for block in server_details(listed, LIST, {"a1": []}).blocks if block["type"] == "actions")
    assert [item["action_id"] for item in row["elements"]] == ["vps:share"]


def test_a_long_code_survives_the_way_through_the_form() -> None:
    """A code over Slack's 150 characters is carried by its hash and found again."""
    code = "NO-" + "x" * 400
    stock = OrderOptions((Plan(code=code),), (OsTemplate(id="d"),), (Region(code="NO"),))
    assert len(encode_option(code)) <= 150
    assert stock.decode("plan", encode_option(code)) == code


def test_the_only_choice_is_made_and_priced() -> None:
    """One plan, one region, one system: chosen, with the price shown and remembered."""
    stock = OrderOptions(
        (Plan(code="p", monthly_price=99.0, currency="NOK"),), (OsTemplate(id="d"),), (Region(code="NO"),)
    )
    view = create_view(stock, CreateDraft())
    assert "Total: 99 NOK a month" in str(view)
    assert unpack(view["private_metadata"])["price"] == "99 NOK a month"


def test_values_are_read_back_from_a_form() -> None:
    """Typed and chosen values are found by their field's name; empty ones are left out."""
    state: dict[str, Any] = {
        "hostname": {"hostname": {"type": "plain_text_input", "value": " web01 "}},
        "plan": {"plan": {"type": "static_select", "selected_option": {"value": "p"}}},
        "region": {"region": {"type": "static_select", "selected_option": None}},
        "reason": {"reason": {"type": "plain_text_input", "value": None}},
    }
    assert read_values(state) == {"hostname": "web01", "plan": "p"}


@pytest.mark.requirement("help-in-three-levels")
def test_help_begins_with_five_examples_then_groups_then_one_command() -> None:
    """Every command stands in one group on the first page, and in full on the page of its group and its own."""
    first, groups = str(help_page().blocks), command_groups()
    assert [example in first for example in EVERYDAY.values()] == [True] * 5
    assert sorted(word for words in groups.values() for word in words) == sorted(LISTED)
    for title, words in groups.items():
        assert title in first
        page = help_page(title)
        assert not check_message({"text": "x", "blocks": list(page.blocks)})
        for word in words:
            assert word in first
            assert escape_untrusted(usage_in_group(word), 200) in page.text
            if word not in groups:  # a group explains the command of its name
                assert escape_untrusted(example_of(word), 200) in help_page(word).text
            assert not check_message({"text": "x", "blocks": list(help_page(word).blocks)})
    for operation in OPERATIONS.values():
        assert operation.summary in str(help_page(operation.toolset).blocks)


def test_a_group_says_once_how_a_time_is_typed() -> None:
    """And only where one of its commands takes a time; the page of a command has its own in full."""
    servers = help_page("servers").text
    assert servers.count(TIMES) == 1
    assert "/vps reboot SERVER [TIME] [because REASON]" in servers
    assert "at TIME" not in servers
    assert TIMES not in help_page("catalogue").text
    assert "/vps reboot SERVER [at TIME|in 2h|in window NAME] [because REASON]" in help_page("reboot").text


@pytest.mark.parametrize("example", EVERYDAY.values())
def test_the_examples_of_help_can_be_typed(example: str) -> None:
    """None of them is refused by the parser."""
    parse_command(example.removeprefix("/vps "))


def test_help_is_typed() -> None:
    """The command itself counts."""
    assert parse_command("help").__class__.__name__ == "ShowHelp"


@pytest.mark.parametrize(
    "listing", [Plans(plans=[Plan(code="p1")]), Plans(plans=[]), OsTemplates(os_templates=[]), Regions(regions=[])]
)
def test_a_catalogue_that_is_not_whole_says_so(listing: Plans | OsTemplates | Regions) -> None:
    """In Slack as in MCP; a complete one has no such note."""
    words = "20 of 45 are listed"
    asked = OperationCall("plans", {})
    assert words not in str(result_post(listing, asked, START).blocks)
    assert words in str(result_post(listing.without(words), asked, START).blocks)


def test_a_message_without_its_table_says_the_same() -> None:
    """The fallback for places without tables has every row."""
    drawn = plans_table([Plan(code=f"plan-{n}", monthly_price=1.0) for n in range(15)])
    plain: Post = without_table(drawn)
    assert not [block for block in plain.blocks if block["type"] == "table"]
    assert all(f"plan-{n}" in str(plain.blocks) for n in range(15))
