"""What every Python client does: list, read, change with a human who says yes, and change without one.

Each driver runs in its client's own environment, with this module beside it and the target as JSON in its argument.
It prints one line of JSON: the number of tools, what the read said, and what each change said.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

READ = ("vps_list", {})
CHANGE = ("vps_reboot", {"server": "web01"})
YES = {"confirm": True}


@dataclass(frozen=True)
class DriverTarget:
    """Where the server is: a command and its environment, or an address."""

    command: list[str]
    env: dict[str, str]
    url: str

    @property
    def is_stdio(self) -> bool:
        """Return whether the client starts the server."""
        return not self.url


Talk = Callable[[str, dict[str, Any]], Awaitable[str]]
Use = Callable[[Talk], Awaitable[None]]


@dataclass
class DriverReport:
    """What one client found."""

    tools: int = 0
    read: str = ""
    confirmed: str = ""
    refused: str = ""


def text_of(result: Any) -> str:
    """Return the text of a tool's result, in whatever form a client hands it on."""
    if isinstance(result, str):
        return result
    content = getattr(result, "content", result)
    parts = content if isinstance(content, list | tuple) else [content]
    texts = [part.get("text", "") if isinstance(part, dict) else getattr(part, "text", str(part)) for part in parts]
    return " ".join(text for text in texts if text)


async def attempt(call: Awaitable[Any]) -> str:
    """Return what a call said, as an error or not."""
    try:
        return text_of(await call)
    except Exception as error:  # noqa: BLE001 - clients raise errors of their own for a refusal
        return str(error)


def run(visit: Callable[[DriverTarget, bool], Awaitable[tuple[int, str, str]]], *, asks: bool = True) -> None:
    """DriverReport the target with a human and without one; print what came of it."""
    target = DriverTarget(**json.loads(sys.argv[1]))

    async def both() -> DriverReport:
        tools, read, refused = await visit(target, False)
        confirmed = (await visit(target, True))[2] if asks else ""
        return DriverReport(tools, read, confirmed, refused)

    sys.stdout.write(json.dumps(asyncio.run(both()).__dict__) + "\n")
