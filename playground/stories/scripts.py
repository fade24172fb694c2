"""Five short stories: each ends by checking its claim at the simulators."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import anyio
from mcp import types as t

from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.stories.acts import (
    APPROVALS,
    OPS,
    buttons,
    call_tool,
    card,
    click,
    click_refused,
    find_message,
    mention_card,
    must,
    settled,
    show_card,
    show_result,
    type_command,
    wait,
)
from vpsops.playground.stories.cards import first_lines
from vpsops.playground.stories.demo_processes import DemoProcesses

WEB: Final = "web01.example.com"
DATABASE: Final = "db01.example.com"
NEW: Final = {"plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
LOST: Final = {"kind": "drop_after", "match": {"operation": "create"}, "times": 1}


@dataclass(frozen=True, slots=True)
class DemoStory:
    """A story: what it is about in one line, and how it is played."""

    title: str
    play: Callable[[DemoProcesses], Awaitable[None]]


async def confirm(stage: DemoProcesses) -> None:
    """A change waits for the person who asked, and a double click sends one request."""
    before = await stage.effects("reboot", WEB)
    await type_command(stage, "alice", "reboot web01 because kernel update")
    question = await card(stage, OPS, WEB, "kernel update", "vps:confirm")
    show_card(stage, question)
    await click_refused(stage, "bob", question, "Reboot")
    stage.transcript.remark("alice presses Reboot, twice by a slip of the finger")
    await click(stage, "alice", question, "Reboot", duplicates=1)
    end = await settled(stage, question, "It took")
    sent = await stage.effects("reboot", WEB) - before
    stage.transcript.proof(
        must("The provider received one reboot; the buttons are gone.", sent == 1 and not buttons(end))
    )


async def agent_held(stage: DemoProcesses) -> None:
    """An agent's change waits for a person other than its own human."""
    before = await stage.effects("reboot", DATABASE)
    async with _held_reboot(stage, "it feels slow") as (question, results):
        show_card(stage, question)
        await click_refused(stage, "alice", question, "Approve")
        stage.transcript.remark("bob presses Approve")
        await click(stage, "bob", question, "Approve")
        await settled(stage, question, "It took")
    show_result(stage, results[0])
    sent = await stage.effects("reboot", DATABASE) - before
    stage.transcript.proof(must("One vote, Bob's; one reboot; the agent's call returned.", sent == 1))


@asynccontextmanager
async def _held_reboot(stage: DemoProcesses, reason: str) -> AsyncIterator[tuple[Message, list[t.CallToolResult]]]:
    """Have the agent ask for a reboot; yields the card, and the result, which is there behind the block."""
    results: list[t.CallToolResult] = []
    async with stage.agent() as client, anyio.create_task_group() as group:

        async def ask() -> None:
            results.append(await call_tool(stage, client, "vps_reboot", {"server": "db01", "reason": reason}))

        group.start_soon(ask)
        yield await card(stage, APPROVALS, DATABASE, reason, "vps:approve"), results


async def provisioning(stage: DemoProcesses) -> None:
    """A new server: asked by an agent, confirmed by its human, reported to the channel."""
    hostname = "app03.example.com"
    async with stage.agent() as client:
        result = await call_tool(stage, client, "vps_create", {"hostname": hostname} | NEW)
    show_result(stage, result)
    notice = await wait(stage, "the notice", lambda: find_message(stage, OPS, hostname))
    (line,) = first_lines([notice], stage.workspace.desk.state)
    stage.transcript.remark(f"#ops reads  {line}")
    made = await stage.effects("create", hostname)
    stage.transcript.proof(must("One server was made, and the channel knows its address.", made == 1))


async def lost_answer(stage: DemoProcesses) -> None:
    """The provider makes the server and its answer is lost: it is looked up, never asked for again."""
    hostname = "app04.example.com"
    await stage.add_fault(**LOST)
    stage.transcript.remark("the provider's next answer to a create gets lost on its way")
    async with stage.agent(brief=True) as client:
        result = await call_tool(stage, client, "vps_create", {"hostname": hostname} | NEW)
    show_result(stage, result)
    made = await stage.effects("create", hostname)
    claim = "It was looked up by its name and found: exactly one server was made."
    stage.transcript.proof(must(claim, made == 1 and not result.is_error and await _is_looked_up(stage)))


async def _is_looked_up(stage: DemoProcesses) -> bool:
    """Whether one create lost its answer, and the list of servers was read behind it."""
    requests = await stage.requests()
    lost = [entry["seq"] for entry in requests if entry["operation"] == "create" and entry["outcome"] == "dropped"]
    return len(lost) == 1 and any(entry["seq"] > lost[0] and entry["operation"] == "list" for entry in requests)


async def outsider(stage: DemoProcesses) -> None:
    """A person without the right presses the same button, and nothing happens."""
    before = await stage.effects("reboot", DATABASE)
    async with _held_reboot(stage, "a customer asked for it") as (question, results):
        mention_card(stage, question)
        await click_refused(stage, "dave", question, "Approve")
        stage.transcript.remark("bob presses Deny and says why")
        await click(stage, "bob", question, "Deny")
        form = await wait(stage, "the form", lambda: stage.workspace.modal("bob"))
        await stage.workspace.submit_view("bob", form, {"reason": "not during the day"})
        await settled(stage, question, "not during the day")
    show_result(stage, results[0])
    sent = await stage.effects("reboot", DATABASE) - before
    claim = "Dave's press counted for nothing, and nothing reached the provider."
    stage.transcript.proof(must(claim, sent == 0 and results[0].is_error))


STORIES: Final[Mapping[str, DemoStory]] = {
    "confirm": DemoStory("A person reboots a server", confirm),
    "agent-held": DemoStory("An agent asks, another person decides", agent_held),
    "provisioning": DemoStory("An agent orders a server, its human says yes", provisioning),
    "lost-answer": DemoStory("The provider's answer is lost", lost_answer),
    "outsider": DemoStory("An outsider is refused", outsider),
}
"""The stories by the names of `vpsops demo --story`, in the order of the whole."""
