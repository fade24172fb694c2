"""Servers by label: filtered, counted, and counted as not known where the API does not show them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest

from tests.fakes.provider import SERVER, Provider, Reply
from vpsops.core.operations.counts import MOST, NONE, OTHERS, UNKNOWN, ServerCount, counts_of
from vpsops.core.operations.server_lists import list_servers
from vpsops.core.operations.servers import ListArguments, ServerList
from vpsops.core.wayscloud.answers.labels import value_in
from vpsops.core.wayscloud.answers.models import Server

FLEET: Final[Mapping[str, Any]] = {
    "web01": {"team": "shop", "env": "prod"},
    "web02": {"Team": "Shop", "env": "dev"},
    "db01": {},
    "db02": None,
}


def server(name: str) -> dict[str, Any]:
    """Return a server as the API shows it in full."""
    labels = FLEET[name]
    return {**SERVER, "id": name, "hostname": f"{name}.example.com", **({} if labels is None else {"labels": labels})}


async def unnamed(servers: Sequence[Server]) -> list[Server]:
    """Return servers without the names of their regions."""
    return list(servers)


async def listed(query: ListArguments, *, may: bool = True) -> ServerList:
    """Return the answer to a question, from a list that leaves labels out."""
    provider = Provider()
    bare = [{name: value for name, value in server(name).items() if name != "labels"} for name in FLEET]
    provider.on("GET", "/v1/vps", Reply(200, {"instances": bare, "total": len(bare)}))
    for name in FLEET:
        provider.on("GET", f"/v1/vps/{name}", Reply(200, server(name)))

    async def allowed(_: Server) -> bool:
        return may

    async with provider.client() as api:
        return await list_servers(api, query, allowed, unnamed)


def names(answer: ServerList) -> list[str]:
    """Return the first labels of the hostnames."""
    return [item.hostname.split(".")[0] for item in answer.servers]


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({"label": "team=shop"}, ["web01", "web02"]),
        ({"label": "TEAM=SHOP"}, ["web01", "web02"]),
        ({"label": "env"}, ["web01", "web02"]),
        ({"label": "env=prod"}, ["web01"]),
        ({"label": "env=prod", "name": "web02"}, []),
        ({"label": "team=shop", "name": "web"}, ["web01", "web02"]),
        ({"label": "team=shop", "state": "stopped"}, []),
        ({"label": "team=shop", "limit": 1}, ["web01"]),
        ({"label": "team"}, ["web01", "web02"]),
        ({"label": "tea"}, []),
    ],
)
@pytest.mark.requirement("labels-not-left-out")
async def test_a_label_is_read_for_the_filter(query: dict[str, Any], matches: list[str]) -> None:
    """It combines with other filters; a server whose labels are not known is counted."""
    answer = await listed(ListArguments(**query))
    assert names(answer) == matches
    assert ("The labels of 1 server are not known." in answer.lacking) is ("name" not in query)


@pytest.mark.requirement("labels-not-left-out")
async def test_what_the_policy_does_not_let_be_read_is_not_known() -> None:
    """Nothing is taken for having no labels."""
    answer = await listed(ListArguments(label="team=shop"), may=False)
    assert (names(answer), answer.lacking) == ([], "The labels of 4 servers are not known.")


async def test_the_advice_names_the_keys_there_are() -> None:
    """Where nothing matches, what could be asked for."""
    assert "keys Team, env, team" in (await listed(ListArguments(label="owner=ann"))).advice


def test_servers_are_counted_by_label() -> None:
    """Each label counts; none and not known are apart."""
    fleet = [
        Server.model_validate({"id": name, "hostname": name, "status": "running", "labels": labels})
        for name, labels in FLEET.items()
    ]
    counted = {item.value: item.servers for item in counts_of(fleet) if item.by == "label"}
    assert counted == {"Team=Shop": 1, "env=dev": 1, "env=prod": 1, "team=shop": 1, NONE: 1, UNKNOWN: 1}
    many = [Server(id=str(n), hostname="x", status="running", labels={"n": str(n)}) for n in range(MOST + 3)]
    labels = [item for item in counts_of(many) if item.by == "label"]
    assert len(labels) == MOST
    assert ServerCount("label", OTHERS, 3) not in labels


def test_an_owner_is_found_in_any_case() -> None:
    """The key is a setting; without the label there is no owner."""
    assert value_in(("env=prod", "Owner=Kari N"), "owner") == "Kari N"
    assert value_in(("owners=x",), "owner") == ""
    assert value_in(None, "owner") == ""
