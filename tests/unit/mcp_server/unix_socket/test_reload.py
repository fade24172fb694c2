"""Another table of users while the service runs: who is another person, or none, is cut off and comes again as that."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.harness.patience import eventually
from tests.unit.mcp_server.harness import ANN, Human, text
from tests.unit.mcp_server.unix_socket.harness import (
    ANN_UID,
    BOB,
    BOB_UID,
    HELLO,
    STRANGER_UID,
    Kernel,
    Raw,
    call,
    raw_client,
    serving_socket,
    socket_client,
)
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import load_settings
from vpsops.mcp_server.unix_socket.config import SocketConfig
from vpsops.mcp_server.unix_socket.service import SocketService
from vpsops.playground.wayscloud.serve import SimulatorHandle

LIST = call("vps_list", 5)
NO_USERS = SocketConfig({})
BEFORE = SocketConfig({ANN_UID: ANN})


@asynccontextmanager
async def session(
    core: Core, uid: int = ANN_UID, config: SocketConfig = BEFORE
) -> AsyncIterator[tuple[Raw, SocketService, str]]:
    """Serve, and shake hands as a user."""
    async with serving_socket(core, Kernel(uid), config) as (path, service), raw_client(path) as raw:
        await raw.hello()
        yield raw, service, path


@pytest.mark.requirement("socket-reload")
@pytest.mark.parametrize("after", [NO_USERS, SocketConfig({ANN_UID: BOB}), SocketConfig({}, unmapped_read=True)])
async def test_who_is_another_person_or_none_is_cut_off(core: Core, after: SocketConfig) -> None:
    async with session(core) as (raw, service, _):
        assert "result" in await raw.ask(LIST)
        service.use(after)
        assert await raw.ended()
        await eventually(lambda: not service.sessions and not service.peers)


@pytest.mark.requirement("socket-reload")
@pytest.mark.parametrize(
    "after",
    [BEFORE, SocketConfig({ANN_UID: ANN, BOB_UID: BOB}), SocketConfig({ANN_UID: ANN}, unmapped_read=True, mode=0o600)],
)
async def test_who_stays_the_same_person_notices_nothing(core: Core, after: SocketConfig) -> None:
    async with session(core) as (raw, service, _):
        service.use(after)
        assert "result" in await raw.ask(LIST)


@pytest.mark.requirement("socket-reload")
async def test_a_new_connection_is_who_the_new_table_says(core: Core) -> None:
    async with session(core) as (raw, service, path):
        service.use(SocketConfig({ANN_UID: BOB}))
        assert await raw.ended()
        async with socket_client(path, "legacy", Human()) as client:
            assert "succeeded" in text(await client.call_tool("vps_reboot", {"server": "web01"}))
    (change,) = await core.changes.list(scope=OPERATOR)
    assert change.actor.human == BOB


@pytest.mark.requirement("socket-reload")
async def test_who_is_listed_now_is_served_at_the_next_connection(core: Core) -> None:
    """One that waits in a refused connection, as a pipe does, is cut off so that it connects again."""
    async with serving_socket(core, Kernel(STRANGER_UID), BEFORE) as (path, service):
        async with raw_client(path) as raw:
            assert "does not know the user" in (await raw.ask(HELLO))["error"]["message"]
            service.use(SocketConfig({ANN_UID: ANN, STRANGER_UID: BOB}))
            assert await raw.ended()
        async with raw_client(path) as raw:
            await raw.hello()


@pytest.mark.requirement("socket-reload")
async def test_an_open_question_ends_with_its_person(core: Core, provider: SimulatorHandle) -> None:
    """The change is given back, and nothing of it is sent."""
    async with session(core) as (raw, service, _):
        await raw.send(call("vps_reboot", server="web01"))
        question = await raw.read()
        assert question["method"] == "elicitation/create"
        service.use(NO_USERS)
        assert await raw.ended()
        await eventually(lambda: not service.peers)
    (change,) = await core.changes.list(scope=OPERATOR)
    assert change.state is State.CANCELLED
    assert dict(provider.simulator.world.counts) == {}


@pytest.mark.requirement("socket-reload")
async def test_what_came_and_was_not_begun_is_dropped(core: Core) -> None:
    """Lines that wait in the kernel or in the buffer are of a person who is none any more."""
    async with session(core) as (raw, service, _):
        lines = [json.dumps(call("vps_reboot", number, server="web01")) for number in range(10, 30)]
        await raw.send("\n".join(lines))
        service.use(NO_USERS)
        await eventually(lambda: not service.peers)
    assert await core.changes.list(scope=OPERATOR) == []


@pytest.mark.requirement("socket-reload")
async def test_other_users_sessions_go_on(core: Core) -> None:
    kernel = Kernel(ANN_UID)
    both = SocketConfig({ANN_UID: ANN, BOB_UID: BOB})
    async with serving_socket(core, kernel, both) as (path, service), raw_client(path) as ann:
        await ann.hello()
        kernel.uid = BOB_UID
        async with raw_client(path) as bob:
            await bob.hello()
            service.use(replace(both, humans={ANN_UID: ANN}))
            assert await bob.ended()
            assert "result" in await ann.ask(LIST)


@pytest.mark.requirement("socket-reload")
async def test_a_reload_reads_the_table_and_a_broken_one_alters_nothing(core: Core, tmp_path: Path) -> None:
    file = tmp_path / "vpsops.toml"

    async def reread(written: str) -> None:
        file.write_text(written, encoding="utf-8")
        commit = await service.prepare(load_settings({"VPSOPS_CONFIG": str(file)}))
        commit()

    async with session(core) as (raw, service, _):
        with pytest.raises(ConfigurationError, match="is root"):
            await reread('[mcp.socket.users]\nroot = "bob@example.com"\n')
        assert "result" in await raw.ask(LIST)
        await reread(f'[mcp.socket.users]\n{ANN_UID} = "{ANN}"\n')
        assert "result" in await raw.ask({**LIST, "id": 6})
        with capture_logs() as logs:
            await reread("")
            assert await raw.ended()
        assert [(entry["event"], entry["uid"]) for entry in logs if "cut" in entry["event"]] == [
            ("mcp_socket_cut", ANN_UID)
        ]


@pytest.mark.requirement("socket-reload")
async def test_the_process_reloads_it_with_all_the_rest(core: Core) -> None:
    """The core's reload, as SIGHUP asks for it, reaches the service: it reads a file without the table."""
    async with session(core) as (raw, service, _):
        assert await core.reloader.reload()
        assert await raw.ended()
        assert service.users.config == SocketConfig({})
