"""What `vpsops doctor` says of operations that the API did not offer."""

from collections.abc import Sequence
from typing import Final

from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, ok
from vpsops.core.diagnostics.provider import read_region_names
from vpsops.core.offers.absences import Absences, AbsentRoute
from vpsops.core.offers.memory import OfferMemory
from vpsops.core.operations import OPERATIONS
from vpsops.core.storage import Database
from vpsops.core.wayscloud.answers.region_names import NO_NAMES

AREA: Final = "provider"


async def check_offers(database: Database, settings: Settings) -> Sequence[DoctorFinding]:
    """Name the operations that the API did not offer, where, since when, and when it is asked again."""
    absences = await OfferMemory(database, database.clock, settings.api_url).refresh()
    rows = [(row, names) for row in absences.routes if (names := _operations(absences, row))]
    regions = await read_region_names(settings, database.clock) if any(row.region for row, _ in rows) else NO_NAMES
    return [ok(AREA, _text(row, names, regions.name_of(row.region))) for row, names in rows]


def _operations(absences: Absences, row: AbsentRoute) -> list[str]:
    return [name for name, operation in OPERATIONS.items() if row in absences.of(operation)]


def _text(row: AbsentRoute, names: Sequence[str], region_name: str) -> str:
    place = row.place(region_name)
    return (
        f"this API does not offer {', '.join(names)}{place}: {row.route} was answered with {row.status}"
        f" on {row.since}; it is asked again from {row.until} on"
    )
