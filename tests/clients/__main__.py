"""Tries every client; ends with 1 where one that is installed met something else than what is expected."""

import argparse
import sys

import anyio

from tests.clients.install import ClientInstallError, installed
from tests.clients.matrix import CLIENTS, TRANSPORTS, TriedClient
from tests.clients.page import PAGE, markdown, rows_of
from tests.clients.visits import ClientVisit, visit
from vpsops.core.common.clock import SystemClock


def main() -> int:
    """Install, visit, print, and write the page where everything was tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="only this client (may be repeated)")
    parser.add_argument("--way", choices=TRANSPORTS, help="only this way in")
    chosen = parser.parse_args()
    outcomes: dict[tuple[str, str], ClientVisit | str] = {}
    for client in CLIENTS:
        for transport in client.transports:
            if client.name in (chosen.only or [client.name]) and chosen.way in (None, transport):
                outcomes[client.name, transport] = outcome = try_client(client, transport)
                sys.stdout.write(f"{client.title}, {transport}: {outcome}\n")
                sys.stdout.flush()
    if not (chosen.only or chosen.way):
        PAGE.write_text(markdown(f"{SystemClock().now():%Y-%m-%d}", rows_of(outcomes)), encoding="utf-8")
    return 1 if any(isinstance(outcome, ClientVisit) and outcome.problem for outcome in outcomes.values()) else 0


def try_client(client: TriedClient, transport: str) -> ClientVisit | str:
    """Return what a visit came to, or why the client could not be installed."""
    try:
        return anyio.run(visit, client, installed(client), transport)
    except ClientInstallError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main())
