"""Names that mean a server, words that mean a state, and a name that is taken: each word of a set, each edge."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import START
from tests.unit.core.sample import server
from vpsops.core.changes.preview import Located, Preview, preview, previewed
from vpsops.core.common.errors import AmbiguousServerError, InvalidInputError, UnknownServerError
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.families.create import CreateArguments
from vpsops.core.operations.prices import price
from vpsops.core.operations.registry import Observation, Progress, ServerArguments
from vpsops.core.operations.server_lookup import clean, find_server, nearest, plain_reference
from vpsops.core.operations.servers import ListArguments, in_state, page, stop_settled
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, ProviderList, Region, Server

WEB = server(ident="id-1", hostname="web01.example.com", display_name="Shop front")
DB = server("stopped", "id-2", "db01.example.com")
APP = server("active", "id-3", "app01.example.org", power_state="on", region="oslo")


SPELLINGS = ("id-1", "ID-1", "web01.example.com", "WEB01", " `web01` ", '"web"', "shop front", "Shop")
ALL = ["app01.example.org", "db01.example.com", "web01.example.com"]


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_server_is_meant_by_its_id_its_names_or_their_beginning(text: str) -> None:
    """Whatever its case, its quotes and the blanks around it; the name that people gave it counts as well."""
    assert find_server(text, [WEB, DB, APP]) is WEB


AROUND = (
    "{},",
    "{}.",
    "{}?",
    "{}!",
    "{}:",
    "*{}*",
    "_{}_",
    "~{}~",
    "({})",
    "`{}`",
    "\u201c{}\u201d",
    "<{}>",
    "root@{}",
    "{}:22",
    "https://{}/path?x=1",
    "ssh://root@{}:2222",
    "http://{}/.",
    "*`{}`*,",
)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", ["web01.example.com", "id-1", "Web01", "203.0.113.7"])
@pytest.mark.requirement("server-references")
def test_what_stands_around_a_name_is_not_part_of_it(around: str, name: str) -> None:
    """Punctuation, marks, an account, a scheme, a port and a path, as they are pasted from a chat or a terminal."""
    web = server(ident="id-1", hostname="web01.example.com", ipv4="203.0.113.7")
    assert find_server(around.format(name), [web, DB]) is web
    full_width = "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in name)
    assert find_server(full_width, [web, DB]) is web


def test_a_name_as_it_is_written_comes_before_one_without_its_marks() -> None:
    """A display name may have such letters; a star at one end is a pattern, and no name."""
    marked = server(ident="id-8", hostname="x.example.com", display_name="root@web01.example.com")
    assert find_server("root@web01.example.com", [WEB, marked]) is marked
    with pytest.raises(UnknownServerError):
        find_server("web*", [WEB, DB])


@given(st.text(max_size=40))
def test_no_reference_breaks_the_lookup(text: str) -> None:
    """It finds a server, or raises what it says; what it finds has the words in one of its names."""
    try:
        match = find_server(text, [WEB, DB, APP])
    except (UnknownServerError, AmbiguousServerError, InvalidInputError):
        return
    names = (match.id, match.hostname, match.display_name or "")
    assert any(name.lower().startswith(plain_reference(text)) or name.lower() == clean(text) for name in names)


def test_an_id_means_its_server_in_any_case_and_before_any_name() -> None:
    """Also an id in the provider's capitals, and one that begins another server's name."""
    capitals = server(ident="ABC-1", hostname="x.example.com")
    named = server(ident="id-8", hostname="abc-1.example.com")
    assert find_server("abc-1", [named, capitals]) is capitals
    assert find_server("ABC-1", [named, capitals]) is capitals


def test_a_display_name_means_its_server_before_a_beginning_does() -> None:
    """Whole names win; only the asker can choose between two servers of one name."""
    shop = server(ident="id-9", hostname="shop-two.example.com")
    named = server(ident="id-8", hostname="x.example.com", display_name="shop")
    assert find_server("shop", [shop, named]) is named
    with pytest.raises(AmbiguousServerError):
        find_server("shop", [named, server(ident="id-7", hostname="y.example.com", display_name="Shop")])


def test_the_dot_of_the_root_and_an_address_lead_to_the_name() -> None:
    """A full name may end in its dot; an address in any of its spellings means the server that has it."""
    web = server(ident="id-1", hostname="web01.example.com", ipv4="203.0.113.7", ipv6="2001:DB8::7")
    assert find_server("web01.example.com.", [web, DB]) is web
    for address in (
        "203.0.113.7",
        "2001:db8::7",
        "2001:DB8:0:0::0007",
        "[2001:db8::7]:22",
        "ssh://root@203.0.113.7:22/",
    ):
        assert find_server(address, [web, DB]) is web
    with pytest.raises(AmbiguousServerError):
        find_server("203.0.113.7", [web, server(ident="id-5", hostname="web05.example.com", ipv4="203.0.113.7")])
    with pytest.raises(UnknownServerError):
        find_server("...", [web, DB])


def test_what_means_no_server_is_told_with_three_names_at_most() -> None:
    """A close name is offered, and never taken."""
    many = [server(ident=f"n{number}", hostname=f"web0{number}.example.com") for number in range(5)]
    with pytest.raises(UnknownServerError):
        find_server("wbe01", many)
    assert len(nearest("web0", many)) == 3
    assert nearest("zzzzzz", many) == []


@pytest.mark.parametrize(
    ("text", "fits"), [("x" * 253, True), ("x" * 254, False), ("", False), (" `' ", False), ("a\x07b", False)]
)
def test_a_reference_is_one_line_of_at_most_253_characters(text: str, *, fits: bool) -> None:
    """A reference may be as long as a hostname."""
    if fits:
        assert clean(text) == text
    else:
        with pytest.raises(InvalidInputError):
            clean(text)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("running", "web app"),
        ("active", "web app"),
        ("ready", "web app"),
        (" UP ", "web app"),
        ("stopped", "db"),
        ("off", "db"),
        ("down", "db"),
        ("failed", "bad"),
        ("error", "bad"),
        ("pending", "new"),
        ("provisioning", "new"),
        ("hibernating", ""),
        ("", ""),
    ],
)
def test_a_word_for_a_state_means_these_servers(word: str, names: str) -> None:
    """Each word that people and models use, and any that the provider itself uses."""
    fleet = {"web": WEB, "db": DB, "app": APP, "bad": server("error", "id-4"), "new": server("provisioning", "id-5")}
    assert [name for name, value in fleet.items() if in_state(value, word)] == names.split()


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ALL),
        ({"name": "WEB"}, ["web01.example.com"]),
        ({"name": "front"}, ["web01.example.com"]),
        ({"state": "stopped"}, ["db01.example.com"]),
        ({"region": "Oslo"}, ["app01.example.org"]),
        ({"region": "bergen"}, []),
        ({"limit": 1}, ["app01.example.org"]),
        ({"limit": 1, "cursor": "|$"}, ["web01.example.com"]),
        ({"limit": 2, "cursor": "|$"}, ["web01.example.com"]),
        ({"limit": 1, "cursor": "app01.example.org|id-3"}, ["db01.example.com"]),
        ({"limit": 1, "cursor": "|<web01.example.com|id-1"}, ["db01.example.com"]),
        (
            {"limit": 9, "cursor": "|<web01.example.com|id-1"},
            ["app01.example.org", "db01.example.com", "web01.example.com"],
        ),
    ],
)
def test_a_list_holds_what_was_asked_for(filters: dict[str, Any], names: list[str]) -> None:
    """Filtered by a part of a name, a state and a region, in order, from where the last page ended."""
    listed = page([WEB, DB, APP], ListArguments(**filters))
    assert [item.hostname for item in listed.servers] == names


@pytest.mark.parametrize(("limit", "allowed"), [(0, False), (1, True), (100, True), (101, False)])
def test_a_page_holds_one_to_a_hundred(limit: int, *, allowed: bool) -> None:
    """More would not fit into what a model or a message takes."""
    if allowed:
        assert ListArguments(limit=limit).limit == limit
    else:
        with pytest.raises(ValueError, match="limit"):
            ListArguments(limit=limit)


def test_a_page_says_what_comes_before_and_after_it() -> None:
    """The first has nothing before it, the last nothing behind it, and one of several both."""
    first, middle, last = (
        page([WEB, DB, APP], ListArguments(limit=1, cursor=item)) for item in (None, "app01.example.org|id-3", "|$")
    )
    assert (first.previous_cursor, first.next_cursor, first.total) == (None, "app01.example.org|id-3", 3)
    assert (middle.previous_cursor, middle.next_cursor) == ("|<db01.example.com|id-2", "db01.example.com|id-2")
    assert (last.next_cursor, last.skipped) == (None, 2)


@pytest.mark.parametrize(("status", "progress"), [("stopped", "SETTLED"), ("stopping", "PENDING"), ("error", "FAILED")])
def test_a_stop_is_settled_by_a_server_that_is_off(status: str, progress: str) -> None:
    """A server that is still stopping does not settle it."""
    seen = Observation(server(status), None, None, START, START, was_away=False)
    assert stop_settled(seen) is Progress[progress]


class ReferenceProvider(SimpleNamespace):
    """The part of the client that a check before a create uses."""

    servers: Sequence[Server]
    plans: Sequence[Plan]

    async def list_servers(self) -> ProviderList[Server]:
        return ProviderList(list(self.servers))

    async def list_plans(self) -> ProviderList[Plan]:
        return ProviderList(list(self.plans))

    async def list_regions(self) -> ProviderList[Region]:
        return ProviderList([])

    async def list_os_templates(self) -> ProviderList[OsTemplate]:
        return ProviderList([])


ORDER = CreateArguments(hostname="web01.example.com", plan="S", region="oslo", os_template="debian-12")
PLANS = (Plan(code="s", monthly_price=99.0, currency="NOK"), Plan(code="XL", monthly_price=400.0, currency="NOK"))


@pytest.mark.parametrize("twin", ["web01.example.com", "web01.example.com.", "WEB01.Example.com."])
async def test_a_name_that_is_there_under_any_spelling_is_taken(twin: str) -> None:
    """A trailing dot is the same name: no second server is paid for."""
    api: Any = ReferenceProvider(servers=[Server(id="s1", hostname=twin, status="running")], plans=PLANS)
    with pytest.raises(InvalidInputError, match="exists already"):
        await preview(api, OPERATIONS["create"], Located(ORDER))


async def test_a_plan_is_known_by_its_code_and_its_price_is_shown() -> None:
    """Whatever its case; an unknown code is refused, and without a catalogue it stands as given."""
    api: Any = ReferenceProvider(servers=[], plans=PLANS)
    seen = await preview(api, OPERATIONS["create"], Located(ORDER))
    assert (seen.target.plan, seen.cost, seen.monthly, seen.currency) == ("s", "99 NOK a month", 99.0, "NOK")
    with pytest.raises(InvalidInputError, match="no plan XXL"):
        await preview(api, OPERATIONS["create"], Located(ORDER.model_copy(update={"plan": "XXL"})))
    api.plans = []
    bare = await preview(api, OPERATIONS["create"], Located(ORDER))
    assert (bare.target.plan, bare.cost, bare.monthly) == ("S", "price unknown", None)


def test_a_price_is_part_of_what_is_agreed_to() -> None:
    """Another price, policy, operation, argument or target is another digest."""
    first = Preview("create", {"hostname": "a"}, Target("", "a"), cost="9 NOK a month")
    others = (
        Preview("create", {"hostname": "a"}, Target("", "a"), cost="8 NOK a month"),
        Preview("create", {"hostname": "b"}, Target("", "a"), cost="9 NOK a month"),
        Preview("create", {"hostname": "a"}, Target("", "b"), cost="9 NOK a month"),
        Preview("stop", {"hostname": "a"}, Target("", "a"), cost="9 NOK a month"),
    )
    assert len({first.digest("p"), first.digest("q"), *(other.digest("p") for other in others)}) == 6
    assert len(first.digest("p")) == 64


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (None, "price unknown"),
        (Plan(code="S"), "price unknown"),
        (Plan(code="S", monthly_price=0.0, currency="NOK"), "0 NOK a month"),
        (Plan(code="S", monthly_price=9.5), "9.5 a month"),
    ],
)
def test_a_price_in_words(plan: Plan | None, words: str) -> None:
    """Nothing is a price as well; an absent one is not nothing."""
    assert price(plan) == words


@pytest.mark.parametrize(
    ("operation", "status", "text"),
    [
        ("start", "running", "is running already"),
        ("start", "stopped", ""),
        ("start", "provisioning", ""),
        ("stop", "stopped", "is stopped already"),
        ("stop", "running", ""),
        ("reboot", "stopped", "is stopped"),
        ("reboot", "running", ""),
    ],
)
async def test_what_makes_no_sense_in_a_state_is_not_asked_of_anybody(operation: str, status: str, text: str) -> None:
    """A request that makes no sense in the server's state is refused before it is held."""
    if text:
        with pytest.raises(InvalidInputError, match=text):
            await previewed_of(operation, server(status))
    else:
        assert (await previewed_of(operation, server(status))).target.state == server(status).state


async def previewed_of(operation: str, seen: Server) -> Preview:
    """Preview an operation that meets its preconditions."""
    entry, arguments = OPERATIONS[operation], ServerArguments(server=seen.id)
    api: Any = None
    return previewed(entry, arguments, seen, await entry.check(api, arguments, seen))
