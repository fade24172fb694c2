"""The clients that are tried, by their pins, and the ways in that each of them is tried on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TRANSPORTS: Final = ("stdio", "http", "socket")
"""The ways in. A further one is a name here and a branch of `visits.target_for`."""


@dataclass(frozen=True, slots=True)
class TriedClient:
    """A client: what installs it, and the program in `drivers` that drives it.

    `asks` says that it can put a question to its human; `words` follow the target on the driver's command line.
    """

    name: str
    pins: Sequence[str]
    driver: str
    asks: bool = True
    transports: Sequence[str] = TRANSPORTS
    words: Sequence[str] = ()

    @property
    def is_node(self) -> bool:
        """Return whether it comes from npm."""
        return self.driver.endswith(".mjs")

    @property
    def title(self) -> str:
        """Its pin, and the era where the client has several."""
        return " ".join((self.pins[0].replace("==", " "), *self.words))


TYPESCRIPT: Final = ("@modelcontextprotocol/client@2.4.0",)
CLIENTS: Final = (
    TriedClient("typescript-v1", ("@modelcontextprotocol/sdk@1.32.2",), "sdk_ts.mjs"),
    TriedClient("typescript-legacy", TYPESCRIPT, "sdk_ts.mjs", words=("legacy",)),
    TriedClient("typescript-auto", TYPESCRIPT, "sdk_ts.mjs", words=("auto",)),
    TriedClient("typescript-pinned", TYPESCRIPT, "sdk_ts.mjs", words=("2026-07-28",)),
    TriedClient("fastmcp", ("fastmcp==4.2.3",), "fastmcp_client.py"),
    TriedClient("langchain", ("langchain-mcp-adapters==0.3.2",), "langchain_client.py"),
    TriedClient("mcp-use", ("mcp-use==1.7.1",), "mcp_use_client.py"),
    TriedClient("pydantic-ai", ("pydantic-ai-slim[mcp]==2.68.0",), "pydantic_ai_client.py"),
    TriedClient("openai-agents", ("openai-agents==0.24.0",), "openai_agents_client.py", asks=False),
    TriedClient("mcp-v1", ("mcp==1.30.0",), "sdk_v1.py"),
    TriedClient("mcp-first", ("mcp==1.2.0", "pydantic<2.11"), "sdk_v1.py", asks=False, transports=("stdio", "socket")),
    TriedClient("inspector", ("@modelcontextprotocol/inspector@2.12.0",), "inspector.mjs", asks=False),
)
"""Ten programs; the TypeScript client is tried in each of its three ways to find the era."""
