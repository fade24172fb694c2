"""What `vpsops doctor` says of runs without approval that no other person has reviewed."""

from collections.abc import Sequence

from vpsops.core.break_glass.repository import oldest_open
from vpsops.core.common.text import duration
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, warn
from vpsops.core.storage.database import Database


async def check_reviews(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Warn of open reviews, and for how long the oldest has been open; nothing without any."""
    count, since = await database.read(oldest_open)
    if since is None:
        return []
    waited = duration((database.clock.now() - since).total_seconds())
    what = f"run without approval and not reviewed: {count}, the oldest for {waited}"
    return [warn("reviews", what, "Another person who may approve it closes it in Slack: /vps reviews lists them")]
