"""`vpsops audit ship`: the audit trail, record by record, to where others keep it."""

import argparse
import sys
from functools import partial
from typing import Final

import anyio

from vpsops.core.app import postgres_options_of
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.text import count_text
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.terminal import number, print_line
from vpsops.core.server.shutdown import keep_hang_up, stopping
from vpsops.core.shipment.address import FORMS, ShipTarget, target_from
from vpsops.core.shipment.shipper import Shipper
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.schema import newer

GOOD: Final = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops audit ship`."""
    parser.description = (
        "Send each record of the trail, in its order and at least once, as the line that `vpsops audit export` has, and"
        " go on with new ones until SIGTERM. What a destination took is stored in the database, so that a restart"
        " continues there; what it did not take is sent again, after a pause that grows to a minute."
    )
    parser.add_argument(
        "destination",
        nargs="?",
        metavar="DESTINATION",
        help=f"{FORMS.replace('%', '%%')}; default: VPSOPS_AUDIT_SHIP_URL, which keeps an address with a token out of"
        " the process list",
    )
    parser.add_argument("--once", action="store_true", help="end with the last record that there is now")
    parser.add_argument(
        "--after", type=number, metavar="SEQ", help="begin after this record, whatever was shipped before"
    )
    parser.set_defaults(audit=run)


def run(arguments: argparse.Namespace) -> int:
    """Ship until stopped. Raises `ConfigurationError`, `StorageError`, and `ShipmentError` with --once."""
    keep_hang_up()
    settings = load_settings()
    configure_logging(settings)
    address = arguments.destination or (settings.ship_url.get_secret_value() if settings.ship_url else "")
    if not address:
        raise ConfigurationError("No destination is named.", hint=f"Use {FORMS}, or set VPSOPS_AUDIT_SHIP_URL.")
    secret = settings.ship_secret.get_secret_value() if settings.ship_secret else ""
    target = target_from(address, secret, SystemClock())
    return anyio.run(partial(_ship, settings, target, once=arguments.once, after=arguments.after))


async def _ship(settings: Settings, target: ShipTarget, *, once: bool, after: int | None) -> int:
    clock, options = SystemClock(), postgres_options_of(settings)
    async with open_database(settings.database, clock, make=False, options=options) as database:
        shipper = Shipper(database, clock, target, secrets_of(settings))
        if after is not None:
            await shipper.begin_after(after)
        if once:
            await shipper.ship()
        else:
            await _follow(shipper, database)
    print_line(f"Shipped {count_text(shipper.shipped, 'record')} to {target.shown}.")
    return GOOD


async def _follow(shipper: Shipper, database: Database) -> None:
    """Ship until SIGTERM or SIGINT; a batch in hand is finished."""
    async with stopping(database.outdated) as stop, anyio.create_task_group() as group:
        sys.stdout.write(f"audit ship: running, to {shipper.target.shown}\n")
        sys.stdout.flush()
        group.start_soon(shipper.follow)
        await stop.wait()
        group.cancel_scope.cancel()
    if database.outdated.is_set():
        raise newer()
