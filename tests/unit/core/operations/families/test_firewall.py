"""Firewall rules as operations: which one is meant, what is shown before a yes, and what became of a change."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from pydantic import ValidationError

from tests.fakes.provider import SERVER, SERVER_ID, Provider, Reply
from vpsops.core.common.errors import AlreadyGoneError, InvalidInputError
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.families.firewall_rules import NewRuleArguments, RuleArguments, breadth_text, find_rule
from vpsops.core.operations.strategies import Inspected, LiveState, Sent
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import Server

LIST: Final = f"/v1/vps/{SERVER_ID}/firewall"
SENT_AT: Final = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
WEB: Final[dict[str, Any]] = {"id": "7d6c5b4a-3f2e", "port": 443, "protocol": "tcp", "source": "10.0.0.0/8"}
SSH: Final[dict[str, Any]] = {"id": "7d6c5b4a-0000", "port": 22, "protocol": "tcp", "source": "192.0.2.0/24"}
WEB01: Final = Server.model_validate(SERVER | {"os_template": "ubuntu-24.04"})
WINDOWS: Final = Server.model_validate(SERVER | {"os_template": "windows-server-2025"})


def listed(*rules: Mapping[str, Any], **more: Any) -> Provider:
    """Return a provider that lists these rules."""
    return Provider().on("GET", LIST, Reply(200, {"rules": list(rules), **more}))


def new(**fields: Any) -> NewRuleArguments:
    """Return a request for a new rule."""
    return NewRuleArguments.model_validate({"server": SERVER_ID, "port": 443, "source": "10.0.0.0/8"} | fields)


def removal(rule: str) -> RuleArguments:
    """Return a request to remove a rule."""
    return RuleArguments(server=SERVER_ID, rule=rule)


async def shown(provider: Provider, arguments: Arguments, server: Server = WEB01) -> dict[str, str]:
    """Return the facts that people are asked by."""
    name = "firewall_allow" if isinstance(arguments, NewRuleArguments) else "firewall_remove"
    async with provider.client() as api:
        precheck = await OPERATIONS[name].check(api, arguments, server)
    resolved = precheck.arguments or arguments
    assert isinstance(resolved, Arguments)
    facts = OPERATIONS[name].describe(resolved, LiveState(server, precheck.details))
    return {fact.label: fact.value for fact in facts if fact.value}


async def inspected(provider: Provider, arguments: Arguments, *, accepted: bool = False, ident: str = "") -> Inspected:
    """Return what a read shows of a change that was sent."""
    name = "firewall_allow" if isinstance(arguments, NewRuleArguments) else "firewall_remove"
    target = Target(id=SERVER_ID, hostname="web01.example.com")
    sent = Sent(arguments, target, {"id": ident}, (), SENT_AT, SENT_AT + timedelta(minutes=5), accepted)
    inspect = OPERATIONS[name].inspect
    assert inspect is not None
    async with provider.client() as api:
        return (await inspect(api, sent)).finding


@pytest.mark.parametrize(
    ("word", "ident"),
    [
        (WEB["id"], WEB["id"]),
        ("7D6C5B4A-3", WEB["id"]),
        ("443/tcp", WEB["id"]),
        ("443/TCP from 10.0.0.0/8", WEB["id"]),
        ("22/tcp from 192.0.2.0/24", SSH["id"]),
    ],
)
async def test_a_rule_is_found_by_its_id_or_by_what_it_lets_in(word: str, ident: str) -> None:
    """The command line of the vendor shows only the first characters of ids."""
    async with listed(WEB, SSH).client() as api:
        assert (await find_rule(api, WEB01, word))[0].id == ident


@pytest.mark.parametrize(
    ("provider", "word", "kind", "words"),
    [
        (listed(WEB, SSH), "7d6c5b4a", InvalidInputError, "2 rules"),
        (listed(WEB, WEB | {"id": "b"}), "443/tcp from 10.0.0.0/8", InvalidInputError, "whole id"),
        (listed(WEB), "443", AlreadyGoneError, "no firewall rule 443"),
        (listed(WEB), "443/udp", AlreadyGoneError, "It has 7d6c5b4a-3f2e (443/tcp from 10.0.0.0/8)"),
        (listed(WEB), "443/tcp from 10.0.0.1/8", InvalidInputError, "10.0.0.0/8"),
        (listed(), WEB["id"], AlreadyGoneError, "It has none"),
        (listed(WEB, total=2), "22/tcp", InvalidInputError, "not known"),
        (listed(WEB, total=2), "443/tcp", InvalidInputError, "whole id"),
    ],
)
@pytest.mark.requirement("firewall-words")
async def test_a_rule_that_is_not_certain_is_refused(
    provider: Provider, word: str, kind: type[InvalidInputError], words: str
) -> None:
    """Several, none, or a list that is not whole: only a whole list shows an absence, and a number is no port."""
    async with provider.client() as api:
        with pytest.raises(kind) as caught:
            await find_rule(api, WEB01, word)
    assert type(caught.value) is kind
    assert words in f"{caught.value} {caught.value.hint}"


async def test_a_list_that_is_not_whole_still_finds_a_whole_id() -> None:
    """What is there is there."""
    async with listed(WEB, total=9).client() as api:
        assert (await find_rule(api, WEB01, WEB["id"]))[0].port == 443


@pytest.mark.requirement("firewall-words")
def test_a_source_has_to_be_said() -> None:
    """Everyone is not what is meant by saying nothing; `any` is a word for it."""
    with pytest.raises(ValidationError, match="source"):
        NewRuleArguments.model_validate({"server": SERVER_ID, "port": 443})
    assert new(source="Any").source == "0.0.0.0/0"
    assert new(source="192.0.2.7").source == "192.0.2.7/32"
    with pytest.raises(InvalidInputError) as caught:
        new(source="10.0.0.5/8")
    assert "10.0.0.0/8" in caught.value.hint


@pytest.mark.parametrize("fields", [{"port": 0}, {"port": 65536}, {"port": "https"}, {"protocol": "icmp"}])
def test_what_is_no_rule_is_refused_at_its_field(fields: dict[str, Any]) -> None:
    """A port, a protocol."""
    with pytest.raises(ValidationError, match=next(iter(fields))):
        new(**fields)


@pytest.mark.requirement("firewall-known")
async def test_an_addition_shows_who_is_let_in_before_and_after() -> None:
    """And what is not known of the firewall."""
    facts = await shown(listed(WEB | {"source": "192.0.2.0/24"}, SSH), new())
    assert facts == {
        "Lets in": "443/tcp from 10.0.0.0/8",
        "Opens to": "16,777,216 addresses",
        "Sources let in": "192.0.2.0/24 → 10.0.0.0/8, 192.0.2.0/24",
        "Without a rule": "what the firewall does is not known: the API does not show it",
    }


@pytest.mark.parametrize(("source", "family"), [("0.0.0.0/0", "IPv4"), ("::/0", "IPv6"), ("any", "IPv4")])
@pytest.mark.requirement("firewall-known")
async def test_the_whole_internet_is_a_risk_in_words(source: str, family: str) -> None:
    """Of the first rule, whether it closes everything else is not known."""
    facts = await shown(listed(), new(source=source))
    assert facts["Opens to"] == f"any {family} address: the whole internet"
    assert facts["Risk"] == "everyone on the internet can reach 443/tcp"
    assert facts["First rule"] == "whether it closes all other ports is not known"


async def test_a_wider_rule_and_one_that_says_too_little_are_named() -> None:
    """The order in which the provider lists them changes nothing."""
    rules = [WEB | {"source": "any"}, WEB | {"id": "b", "port": None}, WEB | {"id": "c", "source": "192.0.2.0/24"}]
    facts = await shown(listed(*rules), new())
    assert facts["Let in already"] == "all of it, by a wider rule"
    assert facts["Not read in full"] == "1 other rule: what they let in is not known"
    assert facts == await shown(listed(*reversed(rules)), new())


async def test_an_equal_rule_is_nothing_to_do() -> None:
    """Where the list is not whole, whether there is one is not known."""
    for provider, words in ((listed(WEB), "nothing to do"), (listed(SSH, total=2), "not known")):
        with pytest.raises(InvalidInputError) as caught:
            await shown(provider, new())
        assert words in f"{caught.value} {caught.value.hint}"


@pytest.mark.requirement("firewall-known")
async def test_a_removal_of_the_last_way_in_warns() -> None:
    """By which network SSH came, and that no other rule lets it in."""
    facts = await shown(listed(SSH), removal("22/tcp"))
    assert facts["Rule"] == "22/tcp from 192.0.2.0/24"
    assert facts["Rule id"] == SSH["id"]
    assert facts["Sources let in"] == "192.0.2.0/24 → none"
    assert "you may be locked out; no other rule lets it in" in facts["Lock-out"]
    assert "not known" in facts["Last rule"]


@pytest.mark.parametrize(
    ("rule", "server", "words"),
    [
        (SSH | {"port": "20-30"}, WEB01, "lets SSH (22/tcp) in from 192.0.2.0/24"),
        (SSH | {"port": None}, WEB01, "whether it lets SSH (22/tcp) in is not known"),
        (SSH | {"port": 3389}, WINDOWS, "Remote Desktop (3389/tcp)"),
        (SSH | {"port": 3389}, WEB01, None),
        (SSH | {"protocol": "udp"}, WEB01, None),
        (SSH | {"action": "deny"}, WEB01, None),
        (WEB, WEB01, None),
    ],
)
async def test_who_may_be_locked_out(rule: dict[str, Any], server: Server, words: str | None) -> None:
    """A range, a rule that does not say, the logins of each system; other ports warn of nothing."""
    facts = await shown(listed(rule, WEB | {"id": "other"}), removal(rule["id"]), server)
    assert ("Lock-out" in facts) is (words is not None)
    assert words is None or words in facts["Lock-out"]


async def test_another_rule_that_lets_ssh_in_is_named() -> None:
    """So that a person can tell that the way in stays."""
    facts = await shown(listed(SSH, SSH | {"id": "b", "source": "any"}), removal(SSH["id"]))
    assert "other rules let in any" in facts["Lock-out"]


@pytest.mark.parametrize(
    ("provider", "accepted", "ident", "finding"),
    [
        (listed(WEB), False, "", Inspected.DONE),
        (listed(SSH), False, "", Inspected.NOT_DONE),
        (listed(SSH), True, "", Inspected.UNDER_WAY),
        (listed(SSH, total=2), False, "", Inspected.NOT_KNOWABLE),
        (listed(WEB | {"port": None}), False, "", Inspected.NOT_KNOWABLE),
        (listed(WEB | {"source": "0.0.0.0/0"}), True, WEB["id"], Inspected.AMBIGUOUS),
        (listed(WEB | {"action": "deny"}), False, "", Inspected.NOT_DONE),
    ],
)
@pytest.mark.requirement("firewall-outcomes")
async def test_what_became_of_an_addition(provider: Provider, accepted: bool, ident: str, finding: Inspected) -> None:
    """The list settles it; a rule that opens more than was asked for is one for a person."""
    assert await inspected(provider, new(), accepted=accepted, ident=ident) is finding


@pytest.mark.parametrize(
    ("provider", "accepted", "finding"),
    [
        (listed(SSH), False, Inspected.DONE),
        (listed(SSH, total=2), False, Inspected.NOT_KNOWABLE),
        (listed(WEB), False, Inspected.NOT_DONE),
        (listed(WEB), True, Inspected.UNDER_WAY),
    ],
)
@pytest.mark.requirement("firewall-outcomes")
async def test_what_became_of_a_removal(provider: Provider, accepted: bool, finding: Inspected) -> None:
    """Only a whole list shows an absence."""
    assert await inspected(provider, removal(WEB["id"]), accepted=accepted) is finding


@pytest.mark.parametrize(
    ("network", "words"),
    [("192.0.2.7/32", "one address"), ("10.0.0.0/31", "2 addresses"), ("2001:db8::/32", "2^96 addresses")],
)
def test_the_breadth_of_a_network_in_words(network: str, words: str) -> None:
    """Of either family."""
    assert breadth_text(network) == words
