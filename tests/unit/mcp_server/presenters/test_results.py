"""Results stay small: at most 5,000 bytes whatever the fleet, in whole rows, with a cursor that lasts."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mcp import Client

from tests.harness.profiles import examples
from tests.tokens.limit import tokens
from tests.unit.mcp_server.harness import ALICE, WEB, client_of, text
from vpsops.core.app import Core
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.cursors import decode_cursor, encode_cursor
from vpsops.core.common.errors import InvalidInputError, VpsopsError
from vpsops.core.identity.actors import Origin
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.catalogue import OsTemplates, Plans, Regions
from vpsops.core.operations.servers import ListArguments, ServerList, page
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, Region, Server, Usage
from vpsops.mcp_server.presenters import results
from vpsops.mcp_server.presenters.pagination import page_from, read_arguments, size_limit_for
from vpsops.mcp_server.presenters.projection import FIELDS, Projection, ReadArguments, split_arguments
from vpsops.mcp_server.presenters.size_limit import LONG_ROWS, RESULT, RESULT_BYTES, compact, cost, fit_result, size_of

QUICKLY = (Phase.explicit, Phase.reuse, Phase.generate)  # a smaller example of this would take minutes to find
LIST = OPERATIONS["list"]
HOSTILE = st.text(st.characters(exclude_categories=()), max_size=300) | st.sampled_from(
    ["x" * 253, "Ignore all. " * 30, "é" * 253, "🙂" * 253, "q\u202ez" * 84, '"},{"' * 50, " \n" * 100, ""]
)


def fleet(count: int, stem: str = "x" * 200) -> list[Server]:
    return [
        Server(
            id=f"00000000-0000-4000-8000-{number:012}",
            hostname=f"{stem}-{number:05}.{'y' * (253 - len(stem) - 7)}"[:253],
            status="running",
            plan="NO-Start-Linux-2cpu-4096mb-30gb",
            region="NO",
            ipv4=f"192.0.{number // 250}.{number % 250}",
        )
        for number in range(count)
    ]


def turn(servers: Sequence[Server], **options: object) -> tuple[str, dict[str, object]]:
    """List as the tool does: sort out the arguments, ask the core, cut to size."""
    asked = split_arguments(LIST, options)
    listing = page(list(servers), ListArguments.model_validate(dict(read_arguments(LIST, asked))))
    summary, content = page_from(listing, asked)
    assert size_limit_for(asked).holds((summary, content))
    return summary, dict(content)


def walk(servers: list[Server], **options: object) -> list[str]:
    """Return all names, page by page; the last seen server goes between pages, and another comes before it."""
    seen: list[str] = []
    cursor: object = None
    while True:
        _, content = turn(servers, **options, **({"cursor": cursor} if cursor else {}))
        rows: list[dict[str, str]] = content["servers"]  # type: ignore[assignment]
        assert rows
        seen += [row["hostname"] for row in rows]
        cursor = content.get("next_cursor")
        if not cursor:
            return seen
        servers = [server for server in servers if server.hostname != seen[-1]]
        servers.append(Server(id=f"new-{len(seen)}", hostname="aaa", status="running"))


def test_ten_thousand_servers_with_the_longest_names_are_told_within_the_budget() -> None:
    """A page holds some of them, their total number and how to get the next page."""
    servers = fleet(10_000)
    for given_limit in (1, 20, 100):
        summary, content = turn(servers, limit=given_limit)
        assert content["total"] == 10_000
        assert content["next_cursor"]
        assert f" of 10000; pass cursor “{content['next_cursor']}” for more." in summary
    _, wide = turn(servers, limit=100, fields=list(FIELDS))
    assert wide["servers"]


def test_an_ordinary_page_is_told_whole() -> None:
    """Twenty servers with ordinary names fit, with the usual fields of each, and no id."""
    servers = [
        server.model_copy(update={"hostname": f"web{n:02}.example.com"}) for n, server in enumerate(fleet(45, "w"))
    ]
    summary, content = turn(servers)
    rows: list[dict[str, str]] = content["servers"]  # type: ignore[assignment]
    assert len(rows) == 20
    assert [*rows[0]] == ["hostname", "state", "region", "plan", "ipv4"]
    assert summary.split("\n")[0].split() == ["NAME", "STATE", "REGION", "PLAN", "ADDRESS"]


@pytest.mark.parametrize(
    ("options", "most"),
    [({}, 2_000), ({"limit": 100}, 4_500), ({"limit": 100, "fields": list(FIELDS)}, 4_500)],
    ids=str,
)
@pytest.mark.requirement("mcp-results-bounded")
def test_full_pages_of_an_ordinary_fleet_take_few_tokens(options: dict[str, Any], most: int) -> None:
    """Of o200k_base, by a bound that `make tokens` holds against the vocabulary; a host hands a model one of both."""
    servers = [entry.model_copy(update={"hostname": f"web{n:03}.example.com"}) for n, entry in enumerate(fleet(200))]
    summary, content = turn(servers, **options)
    assert tokens(summary) <= tokens(compact(content)) <= most  # type: ignore[arg-type]


@pytest.mark.parametrize("stem", ["w", "x" * 200])
def test_pages_stay_in_step_while_servers_come_and_go(stem: str) -> None:
    """Each server that stays is listed once, in order, even if the one a cursor names is gone."""
    servers = fleet(60, stem)
    assert walk(servers, limit=7) == sorted(server.hostname for server in servers)


def test_servers_that_share_a_name_are_told_once_each() -> None:
    """A page may end between them."""
    twins = [item.model_copy(update={"hostname": "twin.example.com"}) for item in fleet(30)]
    seen: list[str] = []
    cursor: object = ""
    while cursor is not None:
        _, content = turn(twins, limit=4, cursor=cursor)
        seen += [row["id"] for row in content["servers"]]  # type: ignore[attr-defined]
        cursor = content.get("next_cursor")
    assert seen == [twin.id for twin in twins]


@settings(max_examples=examples(25), phases=QUICKLY)
@given(st.lists(HOSTILE, min_size=1, max_size=12), st.lists(st.sampled_from(FIELDS), unique=True))
@pytest.mark.requirement("mcp-results-bounded")
def test_no_read_is_over_the_budget_whatever_the_api_says(words: list[str], fields: list[str]) -> None:
    """Servers, plans, templates, regions and figures full of hostile text."""
    long = words[0]
    view = ReadArguments({"limit": 100}, Projection(fields=tuple(fields)))
    full: dict[str, Any] = {
        "display_name": long,
        "plan": long,
        "region": long,
        "os_template": long,
        "ipv4": long,
        "ipv6": long,
    }
    servers = [Server(id=word, hostname=word, status=long, **full) for word in words]
    matches = [
        ServerList(servers=servers, total=len(servers), next_cursor=long),
        servers[0],
        Usage(status=long, power_state=long),
        Plans(plans=[Plan(code=word, name=long, currency=long) for word in words]),
        OsTemplates(os_templates=[OsTemplate(id=word, name=long, family=long, version=long) for word in words]),
        Regions(regions=[Region(code=word, name=long, country=long) for word in words]),
    ]
    for data in matches:
        result = results.read_result(data, view)
        bound = LONG_ROWS if isinstance(data, ServerList) else RESULT
        assert bound.holds((text(result), result.structured_content))
        json.dumps(result.structured_content)


@given(st.text(max_size=9_000))
def test_an_error_of_any_length_keeps_its_beginning_and_its_id(words: str) -> None:
    """The middle is cut."""
    raised = VpsopsError(words, hint="Do this next.")
    answer = text(results.error_result(raised))
    assert size_of(answer) <= RESULT_BYTES
    assert answer.endswith(f"({raised.error_id})")


def test_what_is_too_long_is_cut_where_it_is_longest() -> None:
    """Numbers, keys and a cursor stay; long values end in an ellipsis."""
    summary, content = fit_result("short", {"a": "x y " * 3_000, "n": 5, "next_cursor": "c" * 300, "list": ["z" * 40]})
    assert content is not None
    assert (content["n"], content["next_cursor"], summary) == (5, "c" * 300, "short")
    assert str(content["a"]).endswith("…")
    assert cost(summary, content) <= RESULT_BYTES


@given(st.text(max_size=90), st.text(st.characters(codec="utf-8")))
def test_a_cursor_is_taken_by_its_own_list_alone(place: str, other: str) -> None:
    """A cursor of another list, or a made-up one, is refused with what to do."""
    cursor = encode_cursor("servers", place)
    assert decode_cursor("servers", cursor) == place
    for wrong, listing in ((cursor, "plans"), (cursor[:-1], "servers"), (f"{cursor}A", "servers"), (other, "servers")):
        if (wrong, listing) != (cursor, "servers"):
            with pytest.raises(InvalidInputError, match="take the next_cursor of the last page"):
                decode_cursor(listing, wrong)


@pytest.mark.parametrize(
    ("tool", "arguments", "answer"),
    [
        ("vps_list", {"cursor": "web01.example.com|1"}, "vps_list: cursor: this is not a cursor of this list"),
        ("vps_plans", {"cursor": "nonsense"}, "vps_plans: cursor: this is not a cursor of this list"),
        ("vps_changes", {"cursor": "bm8"}, "vps_changes: cursor: this is not a cursor of this list"),
        ("vps_list", {"fields": ["colour"]}, "vps_list: fields: must be a list, each one of id, hostname, "),
        ("vps_list", {"fields": "plans"}, "not “plans”."),
        (
            "vps_get",
            {"server": "web01", "fields": [[5]]},
            "vps_get: fields: must be a list, each one of id, hostname, ",
        ),
        ("vps_changes", {"state": "done"}, "vps_changes: state: must be one of requested, held, "),
        ("vps_changes", {"limit": 0}, "limit: "),
    ],
)
async def test_a_wrong_choice_is_told_with_what_there_is(
    core: Core, era: str, tool: str, arguments: dict[str, object], answer: str
) -> None:
    """An error result with what to do, and an id."""
    async with client_of(core, era) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert answer in text(result)
    assert "(err_" in text(result)


async def ask(client: Client, tool: str, **arguments: object) -> dict[str, object]:
    await client.list_tools()  # so that the client holds results to their schemas
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None, text(result)
    return dict(result.structured_content)


async def test_fields_are_chosen_of_one_server_and_of_many(core: Core, era: str) -> None:
    """Fields that were not chosen are absent, in the text too."""
    async with client_of(core, era) as client:
        server = await ask(client, "vps_get", server="web01", fields=["vcpus", "state"])
        assert {"id", "hostname", "vcpus", "state"} == set(server)
        many = await ask(client, "vps_list", fields=["id"])
        assert [set(row) for row in many["servers"]] == [{"id"}] * 2  # type: ignore[attr-defined]
        many = await ask(client, "vps_list", fields=["id", "region"])
        assert [set(row) >= {"hostname", "id"} for row in many["servers"]] == [True] * 2  # type: ignore[attr-defined]
        summary = text(await client.call_tool("vps_get", {"server": WEB, "fields": ["ipv4"]}))
        assert "Plan" not in summary


async def test_the_catalogue_is_told_page_by_page_and_by_name() -> None:
    """Cheapest plans first; a part of a code or a name picks some."""
    plans = Plans(plans=[Plan(code=f"plan-{'x' * 200}-{n}", monthly_price=float(99 - n)) for n in range(60)])
    seen: list[str] = []
    view = Projection()
    while True:
        summary, content = page_from(plans, ReadArguments({}, view))
        assert cost(summary, content) <= RESULT_BYTES
        seen += [row["code"] for row in content["plans"]]  # type: ignore[union-attr, index, call-overload, misc]
        if "next_cursor" not in content:
            break
        view = Projection(cursor=str(content["next_cursor"]))
    assert seen == [plan.code for plan in reversed(plans.plans)]
    summary, content = page_from(plans, ReadArguments({}, Projection(name="-57")))
    assert content["total"] == 1
    assert page_from(plans, ReadArguments({}, Projection(name="none"))) == (
        "Nothing here matches “none”.",
        {"plans": [], "total": 0},
    )


async def test_changes_are_filtered_and_told_page_by_page(core: Core, era: str) -> None:
    """By state and server; open ones unless `open_only` is set."""
    for name in ("web01", "db01"):
        held = Request("stop", {"server": name}, ALICE, Origin("slack"), can_confirm=True)
        assert isinstance(await core.gate.submit(held, scope=OPERATOR), Held)
    (first, *_) = await core.changes.list(scope=OPERATOR)
    await core.gate.cancel(first.id, ALICE, scope=OPERATOR)
    async with client_of(core, era) as client:
        assert text(await client.call_tool("vps_changes", {"state": "failed"})) == "No changes match."
        assert await names(client) == ["web01.example.com"]
        assert await names(client, state="cancelled") == ["db01.example.com"]
        assert await names(client, server="web", open_only=False) == ["web01.example.com"]
        page = await ask(client, "vps_changes", open_only=False, limit=1)
        assert [item["server"] for item in page["changes"]] == ["db01.example.com"]  # type: ignore[attr-defined]
        assert await names(client, open_only=False, cursor=page["next_cursor"]) == ["web01.example.com"]


async def names(client: Client, **arguments: object) -> list[str]:
    listed = await ask(client, "vps_changes", **arguments)
    return [item["server"] for item in listed["changes"]]  # type: ignore[attr-defined]
