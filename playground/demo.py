"""`make demo`: the whole story on simulators, over real sockets; prints what was received and exits 0."""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from mcp import Client
from mcp import types as t

from vpsops.playground.demo_processes import DemoProcesses, set_stage
from vpsops.playground.processes import StageError
from vpsops.playground.slack.workspace.entities import Message

SCENE_SECONDS = 120.0
OPS, APPROVALS = "C0OPS", "C0APPROVALS"
NEW = {"hostname": "app03.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the story takes no choices."""
    del parser


def run(_arguments: argparse.Namespace) -> int:
    """Play every scene; return 1 when one of them did not end as scripted."""
    stopped = 0
    try:
        anyio.run(play)
    except* (StageError, TimeoutError) as group:
        stopped = 1
        for error in _leaves(group):
            print(f"\nThe story stopped: {str(error) or 'a scene took too long'}")  # noqa: T201 - the transcript
    return stopped


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        item
        for error in group.exceptions
        for item in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


async def play() -> None:
    """Set the stage and play the scenes in order."""
    async with set_stage() as stage:
        stage.say("vpsops: a simulated provider, a simulated Slack workspace, the real bot and the real MCP server.")
        for number, (title, scene) in enumerate(SCENES, start=1):
            stage.say(f"\n{number}. {title}")
            with anyio.fail_after(SCENE_SECONDS):
                await scene(stage)
        stage.say('\nThat was the story. Next: the README\'s "First real use".')


async def _wait(stage: DemoProcesses, what: str, seen: Callable[[], Any]) -> Any:
    try:
        return await stage.workspace.wait_for(seen, limit=SCENE_SECONDS - 5)
    except TimeoutError:
        raise StageError(f"{what} did not happen") from None


async def _type(stage: DemoProcesses, who: str, text: str) -> list[Message]:
    """Type a command and return the private answers to it."""
    workspace = stage.workspace
    before = len(workspace.ephemerals(who, OPS))
    stage.say(f"  {who} in #ops types: /vps {text}")
    delivery = await workspace.command(who, OPS, "/vps", text)
    if delivery.error:
        raise StageError(f"Slack showed {delivery.error}")
    await _wait(stage, "an answer", lambda: len(workspace.ephemerals(who, OPS)) > before)
    answers = workspace.ephemerals(who, OPS)[before:]
    stage.say("  only they see:")
    stage.show(answers)
    return answers


def _card(stage: DemoProcesses, channel: str, *words: str) -> Message | None:
    """Return the newest message of a channel that shows all of some words."""
    for message in reversed(stage.workspace.messages(channel)):
        text = str(message.blocks) + message.text
        if all(word in text for word in words):
            return message
    return None


def _controls(message: Message) -> dict[str, str]:
    """Return the buttons of a message: action id by label."""
    results = {}
    for block in message.blocks:
        for element in block.get("elements", []) if block.get("type") == "actions" else []:
            results[element["text"]["text"]] = element["action_id"]
    return results


def _button(message: Message, word: str) -> str:
    for label, action in _controls(message).items():
        if word.lower() in label.lower():
            return action
    raise StageError(f"there is no button {word} among {list(_controls(message))}")


async def listing(stage: DemoProcesses) -> None:
    """A read answers in private."""
    await _type(stage, "alice", "list")


async def status(stage: DemoProcesses) -> None:
    """Names are enough, and the beginning of one too."""
    await _type(stage, "alice", "status web01")


async def reboot(stage: DemoProcesses) -> None:
    """A change shows a card, runs after a click, and is watched to the end."""
    stage.say("  alice in #ops types: /vps reboot web01 because kernel update")
    await stage.workspace.command("alice", OPS, "/vps", "reboot web01 because kernel update")
    card = await _wait(stage, "the card", lambda: _card(stage, OPS, "web01", "kernel update"))
    stage.say("  #ops shows:")
    stage.show([card])
    stage.say("  bob, who did not ask, clicks Reboot:")
    before = len(stage.workspace.ephemerals("bob", OPS))
    await stage.workspace.click("bob", card, _button(card, "reboot"))
    await _wait(stage, "the refusal", lambda: len(stage.workspace.ephemerals("bob", OPS)) > before)
    stage.show(stage.workspace.ephemerals("bob", OPS)[before:])
    stage.say("  alice clicks Reboot, twice by a slip of the finger:")
    await stage.workspace.click("alice", card, _button(card, "reboot"), duplicates=1)
    await _ends(stage, OPS, card)


async def _ends(stage: DemoProcesses, channel: str, card: Message, word: str = "it took") -> None:
    def settled() -> Message | None:
        now = stage.workspace.message(channel, card.ts)
        text = (str(now.blocks) + now.text).lower() if now else ""
        return now if word in text else None

    last = await _wait(stage, f"the card's end ({word})", settled)
    stage.say("  the same card, edited in place:")
    stage.show([last])
    if _controls(last):
        raise StageError("the buttons are still there")


async def _call(stage: DemoProcesses, client: Client, tool: str, arguments: Mapping[str, Any]) -> t.CallToolResult:
    text = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    stage.say(f"  the agent calls {tool}({text})")
    result = await client.call_tool(tool, dict(arguments))
    stage.say(f"  the tool {'refuses' if result.is_error else 'answers'}:")
    for block in result.content:
        for line in getattr(block, "text", "").splitlines():
            stage.say(f"    {line}")
    return result


async def create(stage: DemoProcesses) -> None:
    """An agent requests a server; its human confirms; the channel is notified."""
    before = len(stage.workspace.messages(OPS))
    async with stage.agent(confirm=True) as client:
        await _call(stage, client, "vps_plans", {})
        result = await _call(stage, client, "vps_create", NEW | {"reason": "more room for the campaign"})
    if result.is_error:
        raise StageError("the create was refused")
    await _wait(stage, "the channel notice", lambda: _card(stage, OPS, "app03"))
    stage.say("  #ops hears:")
    stage.show(stage.workspace.messages(OPS)[before:])


async def approval(stage: DemoProcesses) -> None:
    """An agent's stop waits for a person in Slack other than the agent's own human."""
    async with stage.agent(confirm=True) as client, anyio.create_task_group() as group:
        group.start_soon(_call, stage, client, "vps_stop", {"server": "db01", "reason": "saves cost at night"})
        card = await _wait(stage, "the approval card", lambda: _card(stage, APPROVALS, "db01"))
        stage.say("  #approvals shows:")
        stage.show([card])
        stage.say("  alice, the owner of the agent, clicks Approve:")
        before = len(stage.workspace.ephemerals("alice", APPROVALS))
        await stage.workspace.click("alice", card, _button(card, "approve"))
        await _wait(stage, "the refusal", lambda: len(stage.workspace.ephemerals("alice", APPROVALS)) > before)
        stage.show(stage.workspace.ephemerals("alice", APPROVALS)[before:])
        stage.say("  bob clicks Approve:")
        await stage.workspace.click("bob", card, _button(card, "approve"))
    await _ends(stage, APPROVALS, card)


async def ambiguous(stage: DemoProcesses) -> None:
    """Several matches become a question, never a guess."""
    async with stage.agent(confirm=True) as client:
        await _call(stage, client, "vps_create", NEW | {"hostname": "web02.example.com"})
    await _type(stage, "alice", "reboot web")


async def refused(stage: DemoProcesses) -> None:
    """Invalid requests, and those that the human declines, are not executed."""
    await _type(stage, "alice", "reebot web01")
    async with stage.agent(confirm=False) as client:
        await _call(stage, client, "vps_start", {"server": "db01"})


SCENES: tuple[tuple[str, Callable[[DemoProcesses], Awaitable[None]]], ...] = (
    ("A read, in Slack", listing),
    ("A server's usage, by the beginning of its name", status),
    ("A reboot: asked in Slack, confirmed by a click, watched to the end", reboot),
    ("A new server: asked by an agent, confirmed by its human, provisioned, reported to the channel", create),
    ("A stop: asked by an agent, approved by another person in Slack", approval),
    ("An ambiguous name", ambiguous),
    ("Refusals", refused),
)
