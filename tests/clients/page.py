"""The table of a run, as `docs/clients.md` holds it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.clients.matrix import CLIENTS, TriedClient
from tests.clients.visits import ClientVisit

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
HEAD: Final = """# Clients

Written by `make clients`; not edited by hand. Real clients of MCP, pinned, each in an environment of its own, against
`vpsops mcp` over stdio, over HTTP, and as the pipe to a service on a Unix socket, without a key of its own; each on a
simulated provider of its own. Each lists the tools, reads the servers, and asks for a reboot without a human: it is
refused in words, and the provider hears of nothing. Where the client can ask its human, it asks again with one who says
yes: then the provider was asked to reboot exactly once.

"""
COLUMNS: Final = ("client", "way in", "tools", "read", "change, its human says yes", "change, nobody to ask")

Row = tuple[TriedClient, str, ClientVisit | str]


def markdown(day: str, rows: Sequence[Row]) -> str:
    """Return the page; a text in place of an outcome is why the client was not tried."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(_cells(*row) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{HEAD}{day}:\n\n{table}\n"


def _cells(client: TriedClient, transport: str, outcome: ClientVisit | str) -> tuple[str, ...]:
    if isinstance(outcome, str):
        return (client.title, transport, f"not tried: {_plain(outcome)}", "", "", "")
    if outcome.problem:
        return (client.title, transport, str(outcome.tools), f"**{_plain(outcome.problem)}**", "", "")
    confirmed = "ran, once" if client.asks else "it cannot ask"
    return (client.title, transport, str(outcome.tools), "ok", confirmed, "refused, in words")


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def rows_of(outcomes: Mapping[tuple[str, str], ClientVisit | str]) -> list[Row]:
    """Return the rows in the matrix's order, those that were not reached left out."""
    return [
        (client, transport, outcomes[client.name, transport])
        for client in CLIENTS
        for transport in client.transports
        if (client.name, transport) in outcomes
    ]
