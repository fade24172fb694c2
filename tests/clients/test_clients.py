"""The page of clients is of those that are tried now."""

from typing import Final

from tests.clients.matrix import CLIENTS
from tests.clients.page import PAGE, rows_of
from tests.clients.visits import CONFIRMED, REFUSED, SERVER, judge

GOOD: Final = {"tools": 15, "read": f"{SERVER} running", "refused": REFUSED, "confirmed": f"{SERVER}: {CONFIRMED}"}


def test_the_page_has_a_row_for_every_client_and_way_in() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [line.split(" | ")[:2] for line in text.splitlines() if line.startswith("| ")][2:]
    tried = [[f"| {client.title}", transport] for client in CLIENTS for transport in client.transports]
    assert rows == tried
    assert len({client.pins for client in CLIENTS}) == 10
    assert rows_of({}) == []


def test_a_yes_reboots_once_and_nothing_else_does() -> None:
    asking = next(client for client in CLIENTS if client.asks)
    silent = next(client for client in CLIENTS if not client.asks)
    assert judge(asking, GOOD, 1).problem == ""
    assert judge(silent, {**GOOD, "confirmed": ""}, 0).problem == ""
    assert judge(asking, GOOD, 2).problem == "2 reboots at the provider, not 1"
    assert judge(silent, GOOD, 1).problem == "1 reboots at the provider, not 0"
    assert judge(asking, {**GOOD, "confirmed": "no"}, 0).problem.startswith("the confirmed change did not run")
    for key in ("read", "refused"):
        assert judge(asking, {**GOOD, key: ""}, 1).problem
    assert judge(asking, {**GOOD, "tools": 0}, 1).problem == "no tools"
    assert judge(asking, {"problem": "it broke"}, 0).problem == "it broke"
