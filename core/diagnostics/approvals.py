"""What `vpsops doctor` says of rules that need an approval where this set-up has no Slack to ask in."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.common.clock import Clock
from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import DoctorFinding, fail, ok
from vpsops.core.policy.decision import Decision
from vpsops.core.policy_register.diagnostics import ruleset_of
from vpsops.core.sqlite.location import NotReadyError
from vpsops.core.storage.database import Database, open_database
from vpsops.core.storage.leases import alive
from vpsops.core.storage.tables import PROCESSES

AREA: Final = "policy"
BOT: Final = "slack"
"""The front of a process that asks people in Slack."""
SHOWN: Final = 5


async def check_approvals(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Fail where a rule needs an approval, this set-up has no Slack, and no bot runs on its database."""
    if settings.slack_configured:
        return []
    ruleset = await ruleset_of(settings, clock)
    rules = [rule.id for rule in ruleset.policy.rules if rule.decision is Decision.APPROVE]
    if not rules:
        return []
    named = f"rule {', '.join(rules[:SHOWN])}"
    if await _has_bot(settings, clock):
        return [ok(AREA, f"{named} needs an approval in Slack, and a bot runs on this database")]
    source = settings.config or "the policy (vpsops policy show)"
    what = f"{named} of {source} needs an approval, and no one can give one: this set-up has no Slack, and no bot runs"
    todo = "Set SLACK_BOT_TOKEN and SLACK_APP_TOKEN and start vpsops bot, or write another decision"
    return [fail(AREA, what, todo, exit_codes.USAGE)]


async def _has_bot(settings: Settings, clock: Clock) -> bool:
    """Return whether a Slack bot of this database is alive."""
    try:
        async with open_database(settings.database, clock, make=False) as database:
            return await database.read(partial(_living_bots, database=database)) > 0
    except NotReadyError:
        return False


def _living_bots(connection: Connection, database: Database) -> int:
    living = alive(connection, database.tick(connection))
    bots = sa.select(sa.func.count()).where(PROCESSES.c.id.in_(living), PROCESSES.c.front == BOT)
    return connection.scalar(bots) or 0
