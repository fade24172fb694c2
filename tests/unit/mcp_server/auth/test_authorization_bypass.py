"""Ways round a limit that are none: what a caller may not use or see by tools it does not get by other requests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import structlog
from mcp import Client, MCPError
from mcp.types import Implementation, ResourceTemplateReference

from tests.harness.internals import database_of
from tests.unit.mcp_server.harness import ALICE, ANN, ERAS, Human, client_of, text
from tests.unit.mcp_server.tools.test_limits import limited, refusals
from vpsops.core.app import Core
from vpsops.core.audit import chain
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.cursors import encode_cursor
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Origin
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.mcp_server.auth.principal import READ, Caller
from vpsops.mcp_server.protocol import uris
from vpsops.mcp_server.resources import subscriptions
from vpsops.mcp_server.resources.updates import UpdatePublisher, open_updates
from vpsops.mcp_server.server import ServerOptions, build_server

CHANGES = ResourceTemplateReference(uri=uris.CHANGE_TEMPLATE)


async def held(core: Core, server: str = "web01") -> str:
    outcome = await core.gate.submit(
        Request("stop", {"server": server}, ALICE, Origin("slack"), can_confirm=True), scope=OPERATOR
    )
    assert isinstance(outcome, Held)
    return outcome.change.id


@pytest.mark.parametrize(
    "narrowing",
    [
        Restriction("x", toolsets=frozenset({"catalogue", "servers"})),
        Restriction("x", deny_tools=frozenset({"vps_chang*"})),
    ],
)
async def test_without_the_tools_on_changes_none_are_told(core: Core, era: str, narrowing: Restriction) -> None:
    """Neither by address, by the trail, by completions nor in the data of a prompt."""
    change = await held(core)
    options = ServerOptions(human="slack:U1", reach=AccessScope((narrowing,)))
    async with client_of(core, era, None, options) as client:
        completed = await client.complete(CHANGES, {"name": "id", "value": "chg"})
        assert completed.completion.values == []
        for uri in (f"vps://changes/{change}", uris.AUDIT):
            with pytest.raises(MCPError):
                await client.read_resource(uri)
        for prompt, arguments in (("morning_report", {}), ("incident", {"server": "web01"})):
            assert change not in str(await client.get_prompt(prompt, arguments))


Ask = Callable[[Client, str], Awaitable[object]]


async def _change(client: Client, change: str) -> object:
    return await client.read_resource(f"vps://changes/{change}")


async def _trail(client: Client, _change: str) -> object:
    return await client.read_resource(uris.AUDIT)


@pytest.mark.parametrize("ask", [_change, _trail])
async def test_reads_by_address_count_against_the_rate(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, era: str, ask: Ask
) -> None:
    """Of what costs no call to the provider too, as the tools that show it do."""
    folder = tmp_path_factory.mktemp("limits")
    async with limited(settings, folder, "[limits]\ncalls_per_minute = 3\n") as core:
        change = await held(core)
        async with client_of(core, era, None, ServerOptions(human="slack:U1")) as client:
            for _ in range(3):
                await ask(client, change)
            with pytest.raises(MCPError, match="calls_per_minute"):
                await ask(client, change)


@pytest.mark.parametrize("place", ["x|y", "nan|chg_1", "inf|", "|", "1e400|chg_\x00", "", "5|\ud800"], ids=repr)
async def test_a_cursor_made_by_hand_is_said_to_be_none(core: Core, era: str, place: str) -> None:
    """Its seal is no secret, so its content is read as strictly as any other input."""
    await held(core)
    async with client_of(core, era, None, ServerOptions(human=ANN)) as client:
        refused = await client.call_tool("vps_changes", {"cursor": encode_cursor("changes", place)})
    assert refused.is_error
    assert "this is not a cursor of this list" in text(refused)


async def test_another_name_gets_no_more_streams(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's name is its own claim, so the bound for one caller holds for all that it calls itself."""
    monkeypatch.setattr(subscriptions, "MAX_STREAMS_EACH", 1)
    server = build_server(core, ServerOptions(human=ANN))
    async with open_updates(core) as live, AsyncExitStack() as stack:

        @asynccontextmanager
        async def shared(_: object) -> AsyncIterator[UpdatePublisher]:
            yield live

        server.lifespan = shared
        names = (Implementation(name=name, version="1") for name in ("one", "two"))
        clients = [await stack.enter_async_context(Client(server, mode=ERAS[1], client_info=name)) for name in names]
        async with clients[0].listen(resource_subscriptions=[uris.SERVERS]):
            with pytest.raises(MCPError, match="Too many streams"):
                async with clients[1].listen(resource_subscriptions=[uris.SERVERS]):
                    pass


async def test_a_change_without_the_scope_is_refused_on_record(core: Core, era: str) -> None:
    """The refusal has an id, and the trail has a record with it, the caller and the request."""
    reader = ServerOptions(who=lambda _: Caller(human="slack:U1", subject="reports", scopes=frozenset({READ})))
    async with client_of(core, era, Human(), reader) as client:
        refused = await client.call_tool("vps_stop", {"server": "web01", "reason": "to see"})
    (record,) = await refusals(core)
    assert refused.is_error
    assert (record["operation"], record["limit"], record["actor"]["human"]) == ("vps_stop", "scope", "slack:U1")
    assert record["error"] in text(refused)
    assert "vps:write" in text(refused)


async def test_a_refusal_is_recorded_in_bounds(core: Core, era: str) -> None:
    """However much a call that is refused brings along: the trail is kept for ever."""
    options = ServerOptions(human=ANN, reach=AccessScope((Restriction("x", read_only=True),)))
    hostile = {f"{number}" * 300: "x" * 9_000 for number in range(300)}
    async with client_of(core, era, Human(), options) as client:
        await client.call_tool("vps_stop", {"server": "web01", **hostile})
    record = (await database_of(core).read(chain.read))[-1]
    assert record.event == "refused"
    assert record.body["arguments"]["server"] == "web01"
    assert len(record.text) < 10_000


async def test_the_id_of_every_refusal_leads_somewhere(settings: Settings, tmp_path: Path) -> None:
    """The first of calls that come too fast is in the trail, those after it in the log."""
    async with limited(settings, tmp_path, "[limits]\ncalls_per_minute = 1\n") as core:
        async with client_of(core, ERAS[1], None, ServerOptions(human=ANN)) as client:
            await client.call_tool("vps_changes", {})
            first = await client.call_tool("vps_changes", {})
            with structlog.testing.capture_logs() as lines:
                second = await client.call_tool("vps_changes", {})
        (record,) = await refusals(core)
    assert record["error"] in text(first)
    assert any(str(line.get("error_id")) in text(second) for line in lines if line["event"] == "call_refused")
