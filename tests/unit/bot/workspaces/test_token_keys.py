"""Tokens at rest through a change of keys and of the format: each is found, none is lost, on every database."""

from collections.abc import Sequence

import aiohttp
import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.accounts import EVERYBODY
from tests.fakes.slack_many import ACME, BETA
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.bot.workspaces.test_installations import (
    NEW,
    OLD,
    TEAM,
    InstallationHarness,
    desk,
    installation,
    installation_settings,
    kept_by,
)
from vpsops.bot.app import open_bot
from vpsops.bot.diagnostics.workspaces import check_workspaces
from vpsops.bot.workspaces.installations import Installations, TokenUnreadableError
from vpsops.bot.workspaces.registry import InstalledWorkspaces
from vpsops.core.app import open_core
from vpsops.core.storage.tables import SLACK_BOTS, SLACK_INSTALLATIONS
from vpsops.playground.slack.multi_workspace import running_slack

__all__ = ["desk"]
FIRST_FORMAT = "v1.4MJjalD6-nzZofs8Ae3VwCeoGPqZXK9a1p1FDN5SWe1OmqZnPTa7uMVCzQ=="
"""`xoxb-1-2-abcdef` of T0ACME, as code of schema 0009 stored it with the old key."""
TABLES = (SLACK_BOTS, SLACK_INSTALLATIONS)
pytestmark = pytest.mark.requirement("tokens-outlive-keys")


async def stored(desk: InstallationHarness) -> Sequence[str]:
    """Return what stands in both tables in the place of tokens."""

    def work(connection: sa.Connection) -> list[str]:
        return [token for table in TABLES for token in connection.scalars(sa.select(table.c.bot_token))]

    return await desk.database.read(work)


async def put(desk: InstallationHarness, token: str, team: str = TEAM) -> None:
    """Store a value in the place of a workspace's token."""

    def work(connection: sa.Connection) -> None:
        for table in TABLES:
            connection.execute(sa.update(table).where(table.c.team_id == team).values(bot_token=token))

    await desk.database.transact(work)


def rotated(desk: InstallationHarness, keys: str) -> Installations:
    """Return what another process with these keys keeps installations in."""
    return kept_by(desk.database, desk.clock, installation_settings(desk.settings.database, keys))


async def token_of(kept: Installations) -> str:
    """Return the workspace's token."""
    result = await kept.of(TEAM)
    assert result is not None
    return result.token


async def test_an_older_database_is_read_and_encrypted_anew(desk: InstallationHarness) -> None:
    """Both tables; a second time there is nothing to do."""
    await desk.kept.async_save(installation())
    await put(desk, FIRST_FORMAT)
    assert await token_of(desk.kept) == "xoxb-1-2-abcdef"
    assert await desk.kept.reencrypt() == 2
    assert not any(token.startswith("v1.") for token in await stored(desk))
    assert (await token_of(desk.kept), await desk.kept.reencrypt()) == ("xoxb-1-2-abcdef", 0)


async def test_keys_are_rotated_without_installing_again(desk: InstallationHarness) -> None:
    """The new key first, the old one after it; once the new one encrypts everything, the old one can go."""
    await desk.kept.async_save(installation())
    await desk.kept.async_save(installation(BETA.bot_token, "T0BETA"))
    both = rotated(desk, f"{NEW},{OLD}")
    result = await both.of(TEAM)
    assert result is not None
    assert result.old_key
    assert await both.reencrypt() == 4
    alone = rotated(desk, NEW)
    assert await token_of(alone) == ACME.bot_token
    result = await alone.of("T0BETA")
    assert result is not None
    assert (result.token, result.old_key) == (BETA.bot_token, False)


async def test_what_no_key_decrypts_stays_as_it_is(desk: InstallationHarness) -> None:
    """A key that was left out by mistake comes back, and with it the token; others are encrypted meanwhile."""
    await desk.kept.async_save(installation())
    lost = (await stored(desk))[0]
    other = rotated(desk, NEW)
    await other.async_save(installation(BETA.bot_token, "T0BETA"))
    assert await other.reencrypt() == 0
    assert lost in await stored(desk)
    assert await token_of(desk.kept) == ACME.bot_token


async def test_a_row_of_another_workspace_or_app_is_not_encrypted_for_this_one(desk: InstallationHarness) -> None:
    """A token that was copied there stays worth nothing; another app's rows are not touched."""
    await desk.kept.async_save(installation())
    await desk.kept.async_save(installation(BETA.bot_token, "T0BETA"))
    await put(desk, FIRST_FORMAT, "T0BETA")
    assert await desk.kept.reencrypt() == 0
    with pytest.raises(TokenUnreadableError):
        await desk.kept.of("T0BETA")
    await put(desk, FIRST_FORMAT)

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.update(SLACK_BOTS).values(client_id="9.9"))

    await desk.database.transact(work)
    assert await desk.kept.reencrypt() == 1


async def test_two_processes_that_start_at_once_encrypt_each_row_once(desk: InstallationHarness) -> None:
    """Each change is compared and set, in one transaction; the token is the same after both."""
    await desk.kept.async_save(installation())
    await put(desk, FIRST_FORMAT)
    counts: list[int] = []

    async def start() -> None:
        counts.append(await rotated(desk, f"{NEW},{OLD}").reencrypt())

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(start)
    assert sum(counts) == 2
    assert await token_of(rotated(desk, NEW)) == "xoxb-1-2-abcdef"


async def test_a_process_without_the_key_forgets_no_workspace(desk: InstallationHarness) -> None:
    """Slack refused an older token: the one in the database may be newer, which this process cannot know."""
    await desk.kept.async_save(installation())
    settings = installation_settings(desk.settings.database, NEW)
    async with (
        aiohttp.ClientSession() as session,
        open_core(settings, front="slack", clock=VirtualClock(), accounts=EVERYBODY) as core,
    ):
        offices = InstalledWorkspaces(core, session, rotated(desk, NEW))
        with pytest.raises(TokenUnreadableError):
            await offices.gone(TEAM, "xoxb-older")
    assert await token_of(desk.kept) == ACME.bot_token


async def test_doctor_names_tokens_that_need_another_key(desk: InstallationHarness) -> None:
    """By an older key: keep it. By a key that is not named: name it, or install again."""
    await desk.kept.async_save(installation())
    async with running_slack([ACME, BETA], clock=VirtualClock()) as slack:
        slack[TEAM].desk.state.token_refused = None
        answers = {}
        for keys in (f"{NEW},{OLD}", NEW):
            settings = installation_settings(desk.settings.database, keys).model_copy(
                update={"slack_api_url": slack.api_url}
            )
            answers[keys] = {
                f"{workspace.level} {workspace.what}": workspace.todo
                for workspace in await check_workspaces(settings, VirtualClock())
            }
    older = answers[f"{NEW},{OLD}"]["warn installed in T0ACME (Acme), its token encrypted by an older key"]
    assert "Keep that key in VPSOPS_STATE_KEY" in older
    lacking = answers[NEW]["warn The token of T0ACME cannot be decrypted by the keys of this process."]
    assert "after the newest" in lacking


async def test_a_bot_encrypts_old_tokens_when_it_starts(desk: InstallationHarness) -> None:
    """Nothing has to be called for it; it needs neither Slack nor the provider."""
    await desk.kept.async_save(installation())
    await put(desk, FIRST_FORMAT)
    settings = installation_settings(desk.settings.database, f"{NEW},{OLD}")
    async with open_core(settings, front="slack", clock=VirtualClock(), accounts=EVERYBODY) as core, open_bot(core):

        async def current() -> bool:
            return not any(token.startswith("v1.") for token in await stored(desk))

        await eventually(current)
    assert await token_of(rotated(desk, NEW)) == "xoxb-1-2-abcdef"
