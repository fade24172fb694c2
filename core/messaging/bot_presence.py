"""Whether a Slack bot serves a database, or did: while it is down, its people and its messages are still there."""

from sqlalchemy.engine import Connection

from vpsops.core.identity.account_questions import has_answers
from vpsops.core.messaging.posted_messages import has_copies
from vpsops.core.storage.leases import front_alive


def has_bot(connection: Connection, tick: float) -> bool:
    """Return whether a bot beats now, or left an answer or a message here; `tick` is the lease clock."""
    return front_alive(connection, tick, "slack") or has_answers(connection) or has_copies(connection)
