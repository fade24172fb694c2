"""The person behind an agent is shown by name at the terminal, where their account was seen to act."""

from functools import partial
from pathlib import Path

from tests.e2e.bot_changes.test_bot_approvals import AGENT, SCENE
from tests.fakes.slack_bot import stage
from tests.harness.internals import database_of
from vpsops.cli.changes import detail
from vpsops.core.app import Core
from vpsops.core.audit import chain
from vpsops.core.audit.queries import humans_of, record_summary
from vpsops.core.changes.queries import account_names
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Origin


async def shown(core: Core, change_id: str) -> str:
    """Return what `vpsops changes ID` and `vpsops audit tail` say of who asked."""
    database = database_of(core)
    records = await database.read(lambda connection: chain.newest(connection, 10, change_id=change_id))
    names = await database.read(partial(account_names, humans=humans_of(records)))
    change = await core.changes.get(change_id, scope=OPERATOR)
    return "\n".join([detail(change, names)["by"], *(record_summary(record, names) for record in records)])


async def test_an_agents_person_has_a_name_in_lists_of_the_terminal(tmp_path: Path) -> None:
    """Of their last change; before that the account, which is all that is known."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        request = Request("reboot", {"server": "web01"}, AGENT, Origin("mcp"), key="k1")
        outcome = await core.gate.submit(request, scope=OPERATOR)
        assert isinstance(outcome, Held)
        assert (await shown(core, outcome.change.id)).count("for slack:U0ALICE") == 2
        await world.slack.command("alice", "ops", "/vps", "stop db01")
        await world.card(words="waiting for confirmation")
        assert (await shown(core, outcome.change.id)).count("for alice (slack:U0ALICE)") == 2
