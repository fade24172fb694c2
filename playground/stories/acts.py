"""What people and agents do in the stories, and what the transcript shows of it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mcp import Client
from mcp import types as t

from vpsops.playground.processes import StageError
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.stories.cards import card_lines, first_lines
from vpsops.playground.stories.demo_processes import DemoProcesses

OPS: Final = "C0OPS"
APPROVALS: Final = "C0APPROVALS"
PATIENCE_SECONDS: Final = 110.0
CHANNELS: Final = {OPS: "#ops", APPROVALS: "#approvals"}


async def wait(stage: DemoProcesses, what: str, find: Callable[[], Any]) -> Any:
    """Return the result of `find` once it finds anything. Raises `StageError`, which names what did not happen."""
    try:
        return await stage.workspace.wait_for(find, limit=PATIENCE_SECONDS)
    except TimeoutError:
        raise StageError(f"{what} did not happen") from None


async def type_command(stage: DemoProcesses, who: str, text: str) -> None:
    """Type a slash command. Raises `StageError` for an error that Slack shows."""
    stage.transcript.remark(f"{who} types  /vps {text}")
    delivery = await stage.workspace.command(who, OPS, "/vps", text)
    if delivery.error:
        raise StageError(f"Slack showed {delivery.error}")


async def call_tool(stage: DemoProcesses, client: Client, tool: str, arguments: Mapping[str, str]) -> t.CallToolResult:
    """Call a tool of the MCP server."""
    text = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    stage.transcript.remark(f"the agent calls  {tool}({text})")
    return await client.call_tool(tool, dict(arguments))


def show_result(stage: DemoProcesses, result: t.CallToolResult) -> None:
    """Show the first line of a tool's result."""
    text = next((getattr(block, "text", "") for block in result.content), "")
    stage.transcript.remark(f"the agent reads  {text.splitlines()[0] if text else ''}")


async def card(stage: DemoProcesses, channel: str, *words: str) -> Message:
    """Return the card that shows all the words, once it is there."""
    message: Message = await wait(stage, "the card", lambda: find_message(stage, channel, *words))
    return message


def show_card(stage: DemoProcesses, message: Message) -> None:
    """Show a card as a box."""
    stage.transcript.box(f"vpsops in {CHANNELS[message.channel]}", card_lines(message, stage.workspace.desk.state))


def mention_card(stage: DemoProcesses, message: Message) -> None:
    """Show the title of a card."""
    (title, *_) = card_lines(message, stage.workspace.desk.state)
    stage.transcript.remark(f"{CHANNELS[message.channel]} shows  {title}")


def find_message(stage: DemoProcesses, channel: str, *words: str) -> Message | None:
    """Return the newest message of a channel that shows all the words."""
    for message in reversed(stage.workspace.messages(channel)):
        text = str(message.blocks) + message.text
        if all(word in text for word in words):
            return message
    return None


async def settled(stage: DemoProcesses, message: Message, word: str) -> Message:
    """Wait until a card says a word, and show its title and first line; its buttons must be gone."""

    def find() -> Message | None:
        current = stage.workspace.message(message.channel, message.ts)
        return current if current and word in str(current.blocks) else None

    current: Message = await wait(stage, f"the card's {word!r}", find)
    lines = card_lines(current, stage.workspace.desk.state)
    stage.transcript.remark(f"the card says  {' — '.join(lines[:2])}")
    return current


async def click(stage: DemoProcesses, who: str, message: Message, word: str, duplicates: int = 0) -> None:
    """Press the button of a card whose label has a word."""
    await stage.workspace.click(who, message, _button(message, word), duplicates=duplicates)


async def click_refused(stage: DemoProcesses, who: str, message: Message, word: str) -> None:
    """Press a button that is for others, and show the refusal that only this person sees."""
    before = len(stage.workspace.ephemerals(who, message.channel))
    await click(stage, who, message, word)
    await private_answer(stage, who, message.channel, before, f"{who} presses {word}:")


async def private_answer(stage: DemoProcesses, who: str, channel: str, before: int, lead: str) -> None:
    """Show the first sentence of a private answer, once it is there."""
    workspace = stage.workspace
    await wait(stage, "an answer", lambda: len(workspace.ephemerals(who, channel)) > before)
    (line, *_) = first_lines(workspace.ephemerals(who, channel)[before:], workspace.desk.state)
    stage.transcript.paragraph(f"{lead} “{line.split('. ')[0].rstrip('.')}.”")


def _button(message: Message, word: str) -> str:
    for element in buttons(message):
        if word.lower() in element["text"]["text"].lower():
            return str(element["action_id"])
    raise StageError(f"there is no button {word} among {[item['text']['text'] for item in buttons(message)]}")


def buttons(message: Message) -> list[Json]:
    """Return the buttons of a message."""
    rows = [block for block in message.blocks if block.get("type") == "actions"]
    return [element for block in rows for element in block.get("elements", [])]


def must(claim: str, holds: object) -> str:
    """Return a claim that holds. Raises `StageError` for one that does not."""
    if not holds:
        raise StageError(f"this is not so: {claim}")
    return claim
