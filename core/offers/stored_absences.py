"""Absent routes in the database, each of one API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from vpsops.core.common.timings import OFFER_SECONDS
from vpsops.core.storage.tables import ABSENT_ROUTES

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from vpsops.core.offers.absences import AbsentRoute


def put(connection: Connection, api: str, absent: AbsentRoute) -> None:
    """Store an absent route, and remove those that are too old to be in force."""
    aged = absent.learned_at - OFFER_SECONDS
    connection.execute(sa.delete(ABSENT_ROUTES).where(ABSENT_ROUTES.c.learned_at < aged))
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = {"status": absent.status, "learned_at": absent.learned_at, "regions": list(absent.account_regions)}
    row = insert(ABSENT_ROUTES).values(api=api, route=absent.route, region=absent.region, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["api", "route", "region"], set_=values))


def remove(connection: Connection, api: str, route: str, region: str) -> None:
    """Remove an absent route, which was served again."""
    of = (ABSENT_ROUTES.c.api == api) & (ABSENT_ROUTES.c.route == route)
    connection.execute(sa.delete(ABSENT_ROUTES).where(of, ABSENT_ROUTES.c.region == region))
