"""Applied policies, as by `vpsops policy apply`."""

from pathlib import Path

from sqlalchemy.engine import Connection

from vpsops.core.config.settings import Settings
from vpsops.core.policy_register import history
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.policy_register.history import Application
from vpsops.core.policy_register.revisions import Revision
from vpsops.core.storage import Database


async def put_in_force(database: Database, settings: Settings, config: Path | None = None) -> Revision:
    """Put the policy of a process with these settings in force, over whatever is."""
    updated = settings.model_copy(update={"config": config}) if config else settings

    def work(connection: Connection) -> Revision:
        now = history.in_force(connection)
        base = now.document if now else None
        document = declaration_of(updated, base, whole=updated.config is not None).document(base)
        by = {"kind": "person", "id": "local:ann", "verified": False}
        at = database.clock.now().timestamp()
        return history.apply(connection, Application(document, now.number if now else 0, by, at, str(updated.config)))

    return await database.transact(work)


def two_votes_for_agents(group: str) -> str:
    """Return rules by which people confirm, and two members of a group approve what an agent requests."""
    return f"""
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
actor = "person"
risk = ["change", "disruptive"]
decision = "confirm"

[[rule]]
id = "agents"
actor = "agent"
risk = ["change", "disruptive"]
decision = "approve"
votes = 2
approvers = {{ groups = ["{group}"] }}
"""
