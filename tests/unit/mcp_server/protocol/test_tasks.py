"""Changes as tasks (2026-07-28), for a client that declares the extension."""

from pathlib import Path

import mcp.types as t
import pytest
from mcp import MCPError

from tests.fakes.accounts import EVERYBODY
from tests.fakes.task_client import ask, ended, started, task_client
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ANN, NO, WEB, YES, Human, client_of
from tests.unit.mcp_server.http_harness import ENVELOPE, call, post, serving
from vpsops.core.app import Core, open_core
from vpsops.core.audit import chain
from vpsops.core.changes.model import State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import StorageError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.mcp_server.auth.principal import READ, Caller
from vpsops.mcp_server.auth.scope_challenge import called_name
from vpsops.mcp_server.protocol import skills
from vpsops.mcp_server.protocol.sdk_compat import Context
from vpsops.mcp_server.protocol.tasks import EXTENSION, serve_tasks
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.mcp_server.tools.change_flow import CallContext
from vpsops.mcp_server.tools.change_tasks import ChangeTasks
from vpsops.mcp_server.tools.walks import ServerListCache
from vpsops.playground.wayscloud.faults import parse
from vpsops.playground.wayscloud.serve import SimulatorHandle

CHANNEL = "C0APPROVE"
BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2", groups=(CHANNEL,))
STOP = {"server": "web01", "reason": "night"}
HERS = ServerOptions(human=ANN)
voted_on = pytest.mark.parametrize("approval_channel", [CHANNEL])


async def vote(core: Core, change_id: str, verdict: Verdict = Verdict.APPROVE) -> None:
    change = await core.changes.get(change_id, scope=OPERATOR)
    await core.gate.vote(change_id, BOB, verdict, change.digest, reason="not now", scope=OPERATOR)


async def refused(client: object, method: str, task_id: str, **params: object) -> MCPError:
    """Return the protocol error that a request about a task gets."""
    with pytest.raises(MCPError) as error:
        await ask(client, method, task_id, **params)  # type: ignore[arg-type]
    return error.value


@voted_on
async def test_a_held_change_is_a_task_that_tells_what_it_waits_for(core: Core, provider: SimulatorHandle) -> None:
    """The handle comes at once, its id is the change's, and each poll returns how many have approved."""
    async with task_client(build_server(core, HERS)) as client:
        handle = await started(client, "vps_stop", STOP)
        (change,) = await core.changes.list(scope=OPERATOR)
        seen = await ask(client, "tasks/get", handle.task_id)
        assert (handle.task_id, handle.status, handle.ttl_ms, handle.poll_interval_ms) == (
            change.id,
            "working",
            None,
            5000,
        )
        assert handle.status_message.startswith(
            "Stop of web01.example.com waits for approval in Slack: 0 of 1 given, open until "
        )
        assert "result" not in seen
        assert dict(provider.simulator.world.counts) == {}
        await vote(core, change.id)
        done = await ended(client, change.id, core.clock)
    assert (done["status"], done["resultType"]) == ("completed", "complete")
    assert done["result"]["structuredContent"]["state"] == "succeeded"
    assert done["result"]["isError"] is False
    assert dict(provider.simulator.world.counts) == {"stop": 1}


@voted_on
async def test_a_denied_change_is_completed_with_its_reason(core: Core, provider: SimulatorHandle) -> None:
    """`failed` is for protocol errors: what people refused is a result that the model reads."""
    async with task_client(build_server(core, HERS)) as client:
        handle = await started(client, "vps_stop", STOP)
        await vote(core, handle.task_id, Verdict.DENY)
        done = await ask(client, "tasks/get", handle.task_id)
    assert done["status"] == "completed"
    assert done["result"]["isError"] is True
    assert "not now" in done["result"]["content"][0]["text"]
    assert dict(provider.simulator.world.counts) == {}


async def test_a_question_is_answered_before_there_is_a_task(core: Core, provider: SimulatorHandle) -> None:
    """The client's human is asked as a result of the call; their yes is answered with the task that runs."""
    async with task_client(build_server(core, HERS), Human()) as client:
        asked = await client.session.call_tool("vps_stop", STOP, allow_input_required=True, allow_claimed=True)
        assert isinstance(asked, t.InputRequiredResult)
        answer = {"input_responses": {"confirm": YES}, "request_state": asked.request_state}
        handle = await started(client, "vps_stop", STOP, **answer)
        done = await ended(client, handle.task_id, core.clock)
    assert done["result"]["structuredContent"]["state"] == "succeeded"
    assert dict(provider.simulator.world.counts) == {"stop": 1}


@voted_on
async def test_asking_again_leads_to_the_same_task(core: Core, provider: SimulatorHandle) -> None:
    """A handle that was lost on its way is given again, while the change is held and while it runs; others are not."""
    async with task_client(build_server(core, HERS)) as client:
        handle = await started(client, "vps_stop", STOP)
        again = await started(client, "vps_stop", {"server": WEB})
        other = await client.call_tool("vps_reboot", STOP)
        await vote(core, handle.task_id)
        await ended(client, handle.task_id, core.clock)
    assert again.task_id == handle.task_id
    assert other.is_error
    assert dict(provider.simulator.world.counts) == {"stop": 1}


async def test_a_yes_that_comes_again_leads_to_the_same_task(core: Core, provider: SimulatorHandle) -> None:
    """An answer that was lost on its way is given again, while the change runs."""
    provider.simulator.faults.add(parse([{"kind": "slow", "match": {"operation": "stop"}, "seconds": 0.5}]))
    async with task_client(build_server(core, HERS), Human()) as client:
        asked = await client.session.call_tool("vps_stop", STOP, allow_input_required=True, allow_claimed=True)
        assert isinstance(asked, t.InputRequiredResult)
        answer = {"input_responses": {"confirm": YES}, "request_state": asked.request_state}
        handles = [await started(client, "vps_stop", STOP, **answer) for _ in range(2)]
        await ended(client, handles[0].task_id, core.clock)
    assert handles[0].task_id == handles[1].task_id
    assert dict(provider.simulator.world.counts) == {"stop": 1}


@pytest.mark.parametrize(("answer", "state", "sent"), [(YES, "completed", 1), (NO, "cancelled", 0)])
async def test_a_task_that_waits_for_its_human_takes_the_answer_to_what_was_shown(
    core: Core, provider: SimulatorHandle, answer: t.ElicitResult, state: str, sent: int
) -> None:
    """The question's key carries the digest; answers to other keys, or of another form, are ignored."""
    async with task_client(build_server(core, HERS), Human()) as client:
        await client.session.call_tool("vps_stop", STOP, allow_input_required=True, allow_claimed=True)
        (change,) = await core.changes.list(scope=OPERATOR)
        seen = await ask(client, "tasks/get", change.id)
        ((key, form),) = seen["inputRequests"].items()
        wire = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
        assert (seen["status"], key) == ("input_required", f"confirm-{change.digest[:32]}")
        assert form["method"] == "elicitation/create"
        await ask(client, "tasks/update", change.id, inputResponses={"confirm": wire, key: {"action": 1}})
        assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.HELD
        assert set(await ask(client, "tasks/update", change.id, inputResponses={key: wire})) == {"resultType", "_meta"}
        done = await ended(client, change.id, core.clock)
        await ask(client, "tasks/update", change.id, inputResponses={key: wire})
    assert done["status"] == state
    assert dict(provider.simulator.world.counts) == ({"stop": sent} if sent else {})


async def test_a_client_that_cannot_ask_is_shown_no_question(core: Core) -> None:
    """Without forms a change that waits for its human is only working, and an answer to it counts for nothing."""
    async with task_client(build_server(core, HERS), Human()) as client:
        await client.session.call_tool("vps_stop", STOP, allow_input_required=True, allow_claimed=True)
    (change,) = await core.changes.list(scope=OPERATOR)
    async with task_client(build_server(core, HERS)) as client:
        seen = await ask(client, "tasks/get", change.id)
        answer = {f"confirm-{change.digest[:32]}": {"action": "accept", "content": {"confirm": True}}}
        await ask(client, "tasks/update", change.id, inputResponses=answer)
    assert seen["status"] == "working"
    assert "waits for its human's confirmation" in seen["statusMessage"]
    assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.HELD


@voted_on
async def test_a_task_is_cancelled_before_it_is_sent_and_goes_on_after(core: Core, provider: SimulatorHandle) -> None:
    """A cancel is always acknowledged; the next poll shows whether it came in time."""
    async with task_client(build_server(core, HERS)) as client:
        handle = await started(client, "vps_stop", STOP)
        await ask(client, "tasks/cancel", handle.task_id)
        gone = await ask(client, "tasks/get", handle.task_id)
        again = await started(client, "vps_stop", STOP)
        await vote(core, again.task_id)
        await ended(client, again.task_id, core.clock)
        acknowledged = await ask(client, "tasks/cancel", again.task_id)
        done = await ask(client, "tasks/get", again.task_id)
    assert (gone["status"], "result" in gone) == ("cancelled", False)
    assert "Cancelled" in gone["statusMessage"]
    assert "status" not in acknowledged
    assert done["status"] == "completed"
    assert dict(provider.simulator.world.counts) == {"stop": 1}


@voted_on
@pytest.mark.requirement("tasks-are-ones-own")
async def test_anothers_task_is_as_unknown_as_none(core: Core) -> None:
    """Another human, another program and a wrong id get the same error for all three methods."""
    async with task_client(build_server(core, HERS)) as client:
        handle = await started(client, "vps_stop", STOP)
        nothing = await refused(client, "tasks/get", "chg_000000000000")
    methods: dict[str, dict[str, object]] = {
        "tasks/get": {},
        "tasks/update": {"inputResponses": {}},
        "tasks/cancel": {},
    }
    for options, name in ((ServerOptions(human="eve@example.com"), "test-client"), (HERS, "other-client")):
        async with task_client(build_server(core, options), name=name) as other:
            for method, params in methods.items():
                error = await refused(other, method, handle.task_id, **params)
                assert (error.code, error.message) == (nothing.code, nothing.message) == (-32602, "Task not found")
    assert (await core.changes.get(handle.task_id, scope=OPERATOR)).state is State.HELD


@voted_on
@pytest.mark.requirement("tasks-outlive-restarts")
async def test_a_task_survives_the_server(settings: Settings, provider: SimulatorHandle) -> None:
    """A task's state is in the database: the next process answers for it."""
    async with (
        open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as first,
        task_client(build_server(first, HERS)) as client,
    ):
        handle = await started(client, "vps_stop", STOP)
    async with (
        open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core,
        task_client(build_server(core, HERS)) as client,
    ):
        assert (await ask(client, "tasks/get", handle.task_id))["status"] == "working"
        await vote(core, handle.task_id)
        assert (await ended(client, handle.task_id, core.clock))["status"] == "completed"
    assert dict(provider.simulator.world.counts) == {"stop": 1}


@voted_on
async def test_a_reader_may_look_at_a_task_and_not_touch_it(core: Core) -> None:
    """A token that lost its write scope reads on; cancelling and answering are refused."""
    async with task_client(build_server(core, HERS)) as client:
        handle = await started(client, "vps_stop", STOP)
    reader = ServerOptions(who=lambda _: Caller(human=ANN, scopes=frozenset({READ})))
    async with task_client(build_server(core, reader)) as client:
        assert (await ask(client, "tasks/get", handle.task_id))["status"] == "working"
        errors = [
            await refused(client, "tasks/cancel", handle.task_id),
            await refused(client, "tasks/update", handle.task_id, inputResponses={}),
        ]
    assert all("may not be used here" in error.message for error in errors)
    assert (await core.changes.get(handle.task_id, scope=OPERATOR)).state is State.HELD
    recorded = [item.body for item in await database_of(core).read(chain.read) if item.event == "refused"]
    assert [item["operation"] for item in recorded] == ["vps_change_cancel", "vps_stop"]
    assert all(body["error"] in error.message for body, error in zip(recorded, errors, strict=True))


@voted_on
async def test_a_client_that_does_not_declare_it_gets_no_task(core: Core, era: str) -> None:
    """It waits as before; in the new era the methods name the capability it lacks, in the old there are none."""
    async with client_of(core, era, None, ServerOptions(human=ANN, patience=0.1)) as client:
        result = await client.call_tool("vps_stop", STOP)
        error = await refused(client, "tasks/get", "chg_1")
    assert not result.is_error
    assert error.code == (t.METHOD_NOT_FOUND if era == "legacy" else -32021)
    if era != "legacy":
        assert error.data == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


@pytest.mark.parametrize(("mode", "offered"), [("legacy", None), ("auto", {EXTENSION: {}, skills.EXTENSION: {}})])
async def test_the_extensions_are_offered_to_the_new_era_alone(core: Core, mode: str, offered: object) -> None:
    """`server/discover` names them, the handshake does not."""
    async with client_of(core, mode) as client:
        assert client.server_capabilities is not None
        assert client.server_capabilities.extensions == offered


@voted_on
async def test_on_http_the_header_must_name_the_task(core: Core) -> None:
    """A missing or other Mcp-Name is refused with 400 and -32020, the same one is taken, also when encoded."""
    declared = {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}
    async with serving(core, None, HERS) as (site, _):
        stop = call("tools/call", name="vps_stop", arguments=STOP)
        stop["params"]["_meta"] = declared
        task_id = (await post(site.url, stop)).json()["result"]["taskId"]
        request = call("tasks/get", taskId=task_id)
        request["params"]["_meta"] = declared
        for header in ({}, {"Mcp-Name": "chg_1"}):
            answer = await post(site.url, request, **header)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
        answer = await post(site.url, request, **{"Mcp-Name": task_id})
    assert answer.json()["result"]["taskId"] == task_id


class Away(ChangeTasks):
    """Tasks in a database that is away."""

    async def admit(self, context: Context, method: str) -> None:
        del context, method
        raise StorageError("The changes cannot be read now.", hint="Try again.")


async def test_tasks_that_cannot_be_read_are_told_as_an_error(core: Core) -> None:
    """The client gets the reason and an id of the log, and not that its task is unknown."""
    server = build_server(core, HERS)
    serve_tasks(server, Away(CallContext(core, lambda _: Caller(human=ANN), ServerListCache(core.clock))))
    async with task_client(server) as client:
        errors = [
            await refused(client, "tasks/get", "chg_1"),
            await refused(client, "tasks/update", "chg_1", inputResponses={}),
            await refused(client, "tasks/cancel", "chg_1"),
        ]
    assert {error.code for error in errors} == {t.INTERNAL_ERROR}
    assert all(error.message.startswith("The changes cannot be read now. Try again. (err_") for error in errors)


@pytest.mark.parametrize("ident", ["", "x" * 201, "chg_1\n", "../chg", "\u202echg"])
async def test_a_strange_id_is_no_task(core: Core, ident: str) -> None:
    """Whatever its form, an id is unknown or too long: invalid parameters, as the protocol has it."""
    async with task_client(build_server(core, HERS)) as client:
        error = await refused(client, "tasks/get", ident)
    assert error.code == t.INVALID_PARAMS


async def test_looking_too_often_is_refused(settings: Settings, tmp_path: Path) -> None:
    """Requests about tasks count like calls of tools; the refusal names the limit and what to do."""
    path = tmp_path / "vpsops.toml"
    path.write_text("[limits]\ncalls_per_minute = 3\n", encoding="utf-8")
    limited = settings.model_copy(update={"config": path})
    async with (
        open_core(limited, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core,
        task_client(build_server(core, HERS)) as client,
    ):
        errors = [await refused(client, "tasks/get", "chg_000000000000") for _ in range(4)]
    assert [error.code for error in errors] == [t.INVALID_PARAMS] * 3 + [t.INVALID_REQUEST]
    assert "calls_per_minute" in errors[-1].message


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"method": "tasks/cancel", "params": {"taskId": "chg_1"}}', "tasks/cancel"),
        (b'{"method": "tasks/update"}', "tasks/update"),
        (b'{"method": "tasks/get"}', ""),
        (b'{"method": ["tasks/cancel"]}', ""),
    ],
)
def test_touching_a_task_takes_the_scope_for_changes(body: bytes, name: str) -> None:
    """A reader's access token needs more scope before a task is cancelled or answered, not for a poll."""
    assert called_name(body) == name
