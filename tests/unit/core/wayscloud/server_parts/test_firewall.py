"""Firewall rules: every shape of their answers, what equals what, what a 404 is about, and networks that are none."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import pytest
from pydantic import ValidationError

from tests.fakes.provider import SERVER, SERVER_ID, Provider, Reply
from tests.harness.write_faults import FAULTS, BeforeSend, check_refused_once, check_sent_once, every_refusal, fenced
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.wayscloud.answers.errors import (
    NotFoundError,
    NotOfferedError,
    OutcomeUnknownError,
    ProviderRefusedError,
    WrongShapeError,
)
from vpsops.core.wayscloud.answers.validate import validate_network
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.server_parts.firewall_answers import FirewallRule, NewFirewallRule

GET: Final = f"/v1/vps/{SERVER_ID}"
LIST: Final = f"{GET}/firewall"
ID: Final = "7d6c5b4a-3f2e-4d1c-8b9a-0f1e2d3c4b5a"
NEW: Final = NewFirewallRule(port=443, protocol="tcp", source="10.0.0.0/8")
ENTRY: Final[dict[str, Any]] = {"id": ID, "port": 443, "protocol": "tcp", "source": "10.0.0.0/8"}

Write = Callable[[Wayscloud, BeforeSend | None], Coroutine[Any, Any, Any]]
WRITES: Final[dict[str, tuple[str, str, Write]]] = {
    "add": ("POST", LIST, lambda api, at: api.firewall.add_rule(SERVER_ID, NEW, departure=fenced(at))),
    "remove": ("DELETE", f"{LIST}/{ID}", lambda api, at: api.firewall.remove_rule(SERVER_ID, ID, departure=fenced(at))),
}
every_write = pytest.mark.parametrize(("method", "path", "write"), WRITES.values(), ids=WRITES)


async def listed(body: Any) -> list[FirewallRule]:
    """Return what is read of a list."""
    async with Provider().on("GET", LIST, Reply(200, body)).client() as client:
        return list(await client.firewall.list_rules(SERVER_ID))


@pytest.mark.parametrize(
    "body",
    [
        {"rules": [ENTRY]},
        {"data": [ENTRY | {"rule_id": ID, "id": 7}], "total": 1},
        [ENTRY | {"port": "443", "protocol": "TCP", "source": "10.1.2.3/8"}],
        {"firewall_rules": [ENTRY]},
    ],
)
async def test_a_list_of_rules_is_read_in_each_shape(body: Any) -> None:
    """Under a key, in an envelope or bare; words in any case, a network in its canonical form."""
    (rule,) = await listed(body)
    assert (rule.id, rule.ports, rule.protocol, rule.source) == (ID, "443", "tcp", "10.0.0.0/8")
    assert rule.admits
    assert rule.equals(NEW) is True


@pytest.mark.parametrize(
    ("port", "ports"),
    [("8000-8100", "8000-8100"), ("8000:8100", "8000-8100"), ("any", "1-65535"), (None, ""), ("http", ""), (0, "")],
)
async def test_a_range_of_ports_and_what_is_none(port: object, ports: str) -> None:
    """A range is kept; a port that cannot be read is not known."""
    (rule,) = await listed([ENTRY | {"port": port}])
    assert rule.ports == ports


@pytest.mark.parametrize(
    ("fields", "equal"),
    [
        ({}, True),
        ({"source": "10.0.0.0/9"}, False),
        ({"protocol": "udp"}, False),
        ({"protocol": "any"}, False),
        ({"port": "443-444"}, False),
        ({"port": None}, None),
        ({"source": None}, None),
        ({"protocol": None}, None),
        ({"port": None, "protocol": "udp"}, False),
        ({"action": "deny"}, False),
        ({"action": "allow", "direction": "ingress", "enabled": True}, True),
        ({"direction": "outbound"}, False),
        ({"enabled": False}, False),
    ],
)
async def test_what_an_answer_does_not_say_is_neither_equal_nor_different(
    fields: dict[str, object], equal: bool | None
) -> None:
    """A rule that refuses, that is for packets out, or that is switched off lets nothing in."""
    (rule,) = await listed([ENTRY | fields])
    assert rule.equals(NEW) is equal


@pytest.mark.parametrize(
    ("source", "everyone"),
    [("any", True), ("0.0.0.0/0", True), ("::/0", True), ("10.0.0.0/8", False), ("office", False), (None, False)],
)
async def test_every_address_is_recognised(source: object, everyone: bool) -> None:
    """In each way of writing it; `any` equals either family's."""
    (rule,) = await listed([ENTRY | {"source": source}])
    assert rule.is_open_to_all is everyone
    if source == "any":
        assert rule.equals(NewFirewallRule(port=443)) is True
        assert rule.equals(NewFirewallRule(port=443, source="::/0")) is True


async def test_a_rule_covers_ports_of_its_range() -> None:
    """A range, any protocol; a rule that does not say is not known to."""
    wide, part, silent = await listed(
        [ENTRY | {"port": "20-30", "protocol": "all", "id": "a"}, ENTRY, ENTRY | {"port": None, "id": "b"}]
    )
    assert [wide.covers(22, "tcp"), wide.covers(31, "tcp"), part.covers(443, "udp")] == [True, False, False]
    assert silent.covers(22, "tcp") is None


@pytest.mark.parametrize(
    ("body", "complete"),
    [
        ({"rules": [], "total": 0}, True),
        ({"rules": [ENTRY, {"port": 22}]}, False),
        ({"rules": [ENTRY], "total": 2}, False),
        ({"rules": [ENTRY], "has_more": True}, False),
    ],
)
async def test_a_list_that_lacks_rules_says_so(body: Any, complete: bool) -> None:
    """What is missing or unreadable makes the list incomplete, so that absence from it proves nothing."""
    async with Provider().on("GET", LIST, Reply(200, body)).client() as client:
        assert (await client.firewall.list_rules(SERVER_ID)).complete is complete


async def test_what_is_no_list_is_refused() -> None:
    """It is not taken for an empty one."""
    with pytest.raises(WrongShapeError):
        await listed({"message": "hello"})


@pytest.mark.parametrize(
    ("of_list", "of_server", "kind"),
    [
        (Reply(404, {"detail": "Not Found"}), Reply(200, SERVER), NotOfferedError),
        (Reply(404, {"detail": "Not Found"}), Reply(404, {"detail": "VPS not found"}), NotFoundError),
        (Reply(404, {"detail": "Not Found"}), Reply(500), NotFoundError),
        (Reply(405), Reply(200, SERVER), NotOfferedError),
        (Reply(501), Reply(200, SERVER), NotOfferedError),
    ],
)
async def test_an_absent_route_and_an_absent_server_differ(of_list: Reply, of_server: Reply, kind: type) -> None:
    """Only where the server is there, a 404 of the route means that the API has no firewall."""
    provider = Provider().on("GET", LIST, of_list).on("GET", f"{LIST}/", of_list).on("GET", GET, of_server)
    async with provider.client() as client:
        with pytest.raises(kind) as caught:
            await client.firewall.list_rules(SERVER_ID)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("reply", "ident"),
    [
        (Reply(204), ""),
        (Reply(200, {"ok": True, "action": "add_firewall_rule"}), ""),
        (Reply(201, ENTRY), ID),
        (Reply(201, {"rule": {"rule_id": ID, "port": "443"}}), ID),
    ],
)
async def test_a_new_rule_is_sent_as_the_official_clients_send_it(reply: Reply, ident: str) -> None:
    """Its answer may be empty; what it does not say of the rule is what was asked for."""
    provider = Provider().on("POST", LIST, reply)
    async with provider.client() as client:
        made = await client.firewall.add_rule(SERVER_ID, NEW)
    assert (made.id, made.ports, made.protocol, made.source) == (ident, "443", "tcp", "10.0.0.0/8")
    (sent,) = provider.received
    assert sent.json == {"port": 443, "protocol": "tcp", "source": "10.0.0.0/8"}


@pytest.mark.parametrize("different", [{"port": 444}, {"protocol": "udp"}, {"source": "0.0.0.0/0"}, {"vps_id": "x"}])
async def test_an_answer_about_another_rule_is_no_yes(different: dict[str, object]) -> None:
    """A port that was opened wider than it was asked for is not known to be what was asked for."""
    provider = Provider().on("POST", LIST, Reply(201, ENTRY | different))
    async with provider.client() as client:
        with pytest.raises(OutcomeUnknownError):
            await client.firewall.add_rule(SERVER_ID, NEW)
    assert len(provider.received) == 1


@pytest.mark.parametrize("body", [{"rule_id": "another"}, {"vps_id": "another"}, {"error": "locked"}])
async def test_an_answer_about_something_else_removes_nothing(body: Any) -> None:
    """A removal that is answered with another rule or server, or with an error, is not known to be done."""
    provider = Provider().on("DELETE", f"{LIST}/{ID}", Reply(200, body))
    async with provider.client() as client:
        with pytest.raises(OutcomeUnknownError):
            await client.firewall.remove_rule(SERVER_ID, ID)
    assert len(provider.received) == 1


@every_write
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.requirement("never-repeated")
async def test_no_fault_sends_a_write_about_rules_twice(method: str, path: str, fault: str, write: Write) -> None:
    """Whatever goes wrong after it has left, it went once, and the outcome is unknown."""
    del method, path
    await check_sent_once(fault, write)


@every_write
@every_refusal
async def test_a_refused_write_about_rules_is_sent_once(
    method: str, path: str, write: Write, status: int, kind: type[ProviderRefusedError]
) -> None:
    """Each refusal has its kind and its reason."""
    del method, path
    await check_refused_once(status, kind, write)


@pytest.mark.parametrize("rule", ["", ".", "..", "a/b", "a b", "a?b", "a%2fb", "x" * 129])
async def test_an_id_that_would_reach_another_route_is_refused(rule: str) -> None:
    """Before anything is sent."""
    provider = Provider()
    async with provider.client() as client:
        with pytest.raises(InvalidInputError, match="rule id"):
            await client.firewall.remove_rule(SERVER_ID, rule)
    assert provider.received == []


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("192.0.2.7/32", "192.0.2.7/32"),
        ("2001:DB8:0:0::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::/0", "::/0"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_a_network_has_one_form(text: str, network: str) -> None:
    """Whatever way it is written in, the same text is shown, hashed and sent."""
    assert validate_network(text) == network
    assert validate_network(network) == network


@pytest.mark.parametrize(
    ("text", "hints"),
    [
        ("10.0.0.5/8", ("10.0.0.0/8", "10.0.0.5/32")),
        ("0.0.0.1/0", ("0.0.0.0/0", "0.0.0.1/32")),
        ("2001:db8::1/32", ("2001:db8::/32", "2001:db8::1/128")),
    ],
)
def test_bits_beyond_the_prefix_are_refused_with_the_corrected_text(text: str, hints: tuple[str, str]) -> None:
    """The network or the address may be meant: neither is guessed."""
    with pytest.raises(InvalidInputError) as caught:
        validate_network(text)
    assert all(hint in str(caught.value.hint) for hint in hints)


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "any", "here", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/+8"),
        *(
            "010.0.0.0/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/0.255.255.255",
            "fe80::1%eth0",
            "10.0.0.0/8 ;",
            "\u0661\u0660.0.0.0/8",
        ),
        *("1", "0x0a000000/8", "::/129", "10.0.0.0/\u0668"),
    ],
)
def test_what_is_no_network_is_refused(text: str) -> None:
    """Masks, zones, numbers and other digits too."""
    with pytest.raises(InvalidInputError, match="not a network"):
        validate_network(text)


@pytest.mark.parametrize("port", [0, -1, 65536, 2.5])
def test_a_port_is_between_1_and_65535(port: float) -> None:
    """Before anything is sent."""
    with pytest.raises(ValidationError, match="port"):
        NewFirewallRule.model_validate({"port": port})
