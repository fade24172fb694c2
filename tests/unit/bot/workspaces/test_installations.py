"""Installations at rest: one row a workspace, states used once, on every database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import SQLAlchemyOAuthStateStore

from tests.fakes.clock import FakeClock
from tests.fakes.slack_many import ACME, BETA
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.diagnostics.workspaces import check_workspaces
from vpsops.bot.workspaces import installations
from vpsops.bot.workspaces.installations import (
    Installations,
    InstallRefusedError,
    OAuthStates,
    TokenUnreadableError,
    encryption_keys,
)
from vpsops.bot.workspaces.token_encryption import TokenCipher
from vpsops.core.common.errors import UnreadableRowError
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import SLACK_BOTS, SLACK_INSTALLATIONS, SLACK_OAUTH_STATES
from vpsops.core.workspaces.slack_tables import SlackTables
from vpsops.playground.slack.multi_workspace import running_slack

OLD, NEW = "o" * 32, "n" * 32
TEAM = "T0ACME"
READS = ("channels:read", "groups:read", "usergroups:read")


@dataclass(slots=True)
class InstallationHarness:
    """A database and what keeps installations in it."""

    database: Database
    clock: FakeClock
    settings: Settings
    kept: Installations


def installation_settings(database_url: str, key: str = OLD, teams: str = "T0ACME,T0BETA") -> Settings:
    """Return the settings of a set-up with several workspaces."""
    return Settings.model_validate(
        {
            "SLACK_CLIENT_ID": "1.2",
            "SLACK_CLIENT_SECRET": "x",
            "VPSOPS_SLACK_URL": "https://a.example",
            "VPSOPS_SLACK_TEAMS": teams,
            "VPSOPS_STATE_KEY": key,
            "VPSOPS_DATABASE_URL": database_url,
        }
    )


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[InstallationHarness]:
    clock, settings = FakeClock(), installation_settings(database_url)
    async with open_database(database_url, clock) as database:
        yield InstallationHarness(database, clock, settings, kept_by(database, clock, settings))


def kept_by(database: Database, clock: FakeClock, settings: Settings) -> Installations:
    return Installations(SlackTables(database), clock, settings, TokenCipher(encryption_keys(settings)))


def installation(token: str = ACME.bot_token, team: str = TEAM, **more: object) -> Installation:
    """Return what Slack's flow hands over, with more secrets than are wanted."""
    variables: dict[str, object] = {
        "app_id": "A1",
        "enterprise_id": "E1",
        "team_id": team,
        "team_name": "Acme",
        "bot_token": token,
        "bot_id": "B1",
        "bot_user_id": "U0VPSBOT",
        "bot_scopes": "commands,chat:write",
        "user_id": "U1",
        "user_token": "xoxp-person",
        "incoming_webhook_url": "https://hooks.example/secret",
    }
    return Installation(**(variables | more))  # type: ignore[arg-type]


async def test_a_workspace_is_found_by_its_id_alone_with_its_token(desk: InstallationHarness) -> None:
    """A workspace of an organisation too; people's tokens and webhooks are not kept."""
    await desk.kept.async_save(installation())
    result = await desk.kept.of(TEAM)
    assert result is not None
    assert (result.token, result.name, await desk.kept.teams()) == (ACME.bot_token, "Acme", [TEAM])
    query = sa.select(SLACK_INSTALLATIONS)
    row = (await desk.database.read(lambda connection: connection.execute(query).mappings().one())).values()
    assert not any(word in str(value) for value in row for word in (ACME.bot_token, "xoxp-", "hooks.example"))


async def test_installing_anew_takes_the_place_of_what_was(desk: InstallationHarness) -> None:
    """One row, the newest token."""
    await desk.kept.async_save(installation("xoxb-first"))
    await desk.kept.async_save(installation("xoxb-second"))
    result = await desk.kept.of(TEAM)
    count = sa.select(sa.func.count()).select_from(SLACK_BOTS)
    assert (result and result.token, await desk.database.read(lambda connection: connection.scalar(count))) == (
        "xoxb-second",
        1,
    )


async def test_a_workspace_that_is_not_listed_any_more_is_not_there(
    desk: InstallationHarness, database_url: str
) -> None:
    """The list is asked each time, not only when the app is installed."""
    await desk.kept.async_save(installation())
    assert (
        await kept_by(desk.database, desk.clock, installation_settings(database_url, teams="T0BETA")).of(TEAM) is None
    )


async def test_another_key_opens_nothing_and_an_old_one_still_named_does(
    desk: InstallationHarness, database_url: str
) -> None:
    """A key that is lacking is no workspace without the app: its messages wait for a process that has the key."""
    await desk.kept.async_save(installation())
    with pytest.raises(TokenUnreadableError, match="cannot be decrypted"):
        await kept_by(desk.database, desk.clock, installation_settings(database_url, NEW)).of(TEAM)
    result = await kept_by(desk.database, desk.clock, installation_settings(database_url, f"{NEW},{OLD}")).of(TEAM)
    assert result is not None


async def test_a_token_in_another_workspaces_row_is_none(desk: InstallationHarness) -> None:
    """Write access to the database cannot make the bot speak elsewhere."""
    await desk.kept.async_save(installation())
    move = sa.update(SLACK_BOTS).values(team_id="T0BETA")
    await desk.database.transact(lambda connection: connection.execute(move))
    with pytest.raises(TokenUnreadableError):
        await desk.kept.of("T0BETA")


async def test_a_removal_counts_unless_it_is_older_than_the_installation(desk: InstallationHarness) -> None:
    """Slack repeats its events for minutes and sends whole seconds."""
    await desk.kept.async_save(installation())
    now = desk.clock.now().timestamp()
    assert not await desk.kept.removed(TEAM, now - 60)
    assert await desk.kept.removed(TEAM, float(int(now)))
    assert await desk.kept.of(TEAM) is None
    assert not await desk.kept.removed(TEAM, now)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"team_id": "T0OTHER"}, "not among those"),
        ({"is_enterprise_install": True, "team_id": None}, "whole organisation"),
        ({"is_enterprise_install": True}, "whole organisation"),
        ({"bot_token_expires_in": 43200}, "token rotation"),
        ({"bot_refresh_token": "xoxe-1"}, "token rotation"),
        ({"bot_token": None}, "no token"),
        ({"user_id": None}, "no token"),
    ],
)
async def test_what_is_not_wanted_is_refused_with_the_reason(
    desk: InstallationHarness, more: dict[str, Any], words: str
) -> None:
    """Nothing is stored."""
    with pytest.raises(InstallRefusedError, match=words):
        await desk.kept.async_save(installation(**more))
    assert await desk.kept.teams() == []


async def test_a_state_is_used_once_even_by_many_at_the_same_moment(desk: InstallationHarness) -> None:
    """Twenty requests with one state: one of them continues."""
    states = OAuthStates(SlackTables(desk.database), desk.clock)
    state = await states.async_issue()
    used: list[bool] = []

    async def use() -> None:
        used.append(await states.async_consume(state))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(use)
    assert sorted(used) == [False] * 19 + [True]


async def test_a_state_ends_after_ten_minutes_and_is_stored_as_a_hash(desk: InstallationHarness) -> None:
    """A reader of the database cannot finish another's installation; the next one removes expired states."""
    states = OAuthStates(SlackTables(desk.database), desk.clock)
    state = await states.async_issue()
    stored = await desk.database.read(
        lambda connection: connection.scalars(sa.select(SLACK_OAUTH_STATES.c.state)).all()
    )
    assert state not in stored
    desk.clock.advance(installations.STATE_SECONDS)
    assert not await states.async_consume(state)
    await states.async_issue()
    count = sa.select(sa.func.count()).select_from(SLACK_OAUTH_STATES)
    assert await desk.database.read(lambda connection: connection.scalar(count)) == 1


async def test_installations_that_are_begun_by_the_million_fill_no_disk(
    desk: InstallationHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a number no installation can begin until some have ended."""
    monkeypatch.setattr(installations, "MAX_STATES", 3)
    states = OAuthStates(SlackTables(desk.database), desk.clock)
    for _ in range(3):
        await states.async_issue()
    with pytest.raises(InstallRefusedError, match="Too many"):
        await states.async_issue()
    desk.clock.advance(installations.STATE_SECONDS)
    assert await states.async_issue()


def test_our_tables_have_the_columns_that_slacks_stores_use() -> None:
    """An update of the SDK that wants another column is found here, not by a workspace."""
    store, metadata = SQLAlchemyInstallationStore, sa.MetaData()
    pairs = (
        (store.build_installations_table(metadata, "slack_installations"), SLACK_INSTALLATIONS),
        (store.build_bots_table(metadata, "slack_bots"), SLACK_BOTS),
        (SQLAlchemyOAuthStateStore.build_oauth_states_table(metadata, "slack_oauth_states"), SLACK_OAUTH_STATES),
    )
    for theirs, ours in pairs:
        assert {column.name for column in theirs.columns} == {column.name for column in ours.columns}
        assert theirs.name == ours.name


async def test_doctor_says_how_each_workspace_stands(desk: InstallationHarness) -> None:
    """Installed and answered, refused by Slack, not installed: each with what to do."""
    async with running_slack([ACME, BETA], clock=VirtualClock()) as slack:
        settings = desk.settings.model_copy(update={"slack_api_url": slack.api_url})
        await desk.kept.async_save(installation())
        slack[TEAM].desk.state.token_refused = None
        logs = " | ".join(
            f"{workspace.level} {workspace.what}" for workspace in await check_workspaces(settings, VirtualClock())
        )
        assert "ok installed in T0ACME (Acme)" in logs
        assert "warn T0BETA does not have the app" in logs
        assert "warn no workspace decides for agents" in logs
        assert "fail SLACK_SIGNING_SECRET" in logs
        slack[TEAM].desk.state.token_refused = "token_revoked"
        logs = " | ".join(
            f"{workspace.level} {workspace.what}" for workspace in await check_workspaces(settings, VirtualClock())
        )
        assert "fail Slack does not accept the token of T0ACME (token_revoked)" in logs


async def test_an_installation_that_cannot_be_read_is_not_told_as_none(
    desk: InstallationHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its messages and deliveries wait for a process that can read it; another workspace's do not."""
    await desk.kept.async_save(installation())
    await desk.kept.async_save(installation(team="T0BETA"))
    sound = SQLAlchemyInstallationStore.find_bot

    def find_bot(store: SQLAlchemyInstallationStore, *, team_id: str, **more: Any) -> Any:
        if team_id == TEAM:
            raise ValueError("Couldn't parse datetime string: 'soon'")
        return sound(store, team_id=team_id, **more)

    monkeypatch.setattr(SQLAlchemyInstallationStore, "find_bot", find_bot)
    with pytest.raises(UnreadableRowError):
        await desk.kept.token(TEAM)
    assert await desk.kept.token("T0BETA") == ACME.bot_token


CONFIG = """
[[workspace]]
team = "T0ACME"
approval_channel = "C0APPROVALS"
channel = "C0OPS"
agents = true

[[workspace]]
team = "T0BETA"
approval_channel = "C0BAPPR"
channel = "C0GONE"

[[rule]]
id = "all"
decision = "approve"
approvers = { channels = ["C0ELSEWHERE"] }
"""


@pytest.mark.requirement("approvers-are-closed")
async def test_doctor_looks_at_the_channels_of_each_workspace(desk: InstallationHarness, tmp_path: Path) -> None:
    """With its own token: one that is open to join, that is shared, that is gone. A rule may name another's."""
    (tmp_path / "vpsops.toml").write_text(CONFIG, encoding="utf-8")
    private = ACME.with_scopes(*READS)
    async with running_slack([private, BETA.with_scopes(*READS)], clock=VirtualClock()) as slack:
        settings = desk.settings.model_copy(update={"slack_api_url": slack.api_url, "config": tmp_path / "vpsops.toml"})
        await desk.kept.async_save(installation())
        await desk.kept.async_save(installation(BETA.bot_token, "T0BETA"))
        for team in (TEAM, "T0BETA"):
            slack[team].desk.state.token_refused = None
        slack["T0BETA"].open_to_all("approvals")
        findings = await check_workspaces(settings, VirtualClock())
        slack[TEAM].share("approvals")
        shared = await check_workspaces(settings, VirtualClock())
    lines = {f"{item.level} {item.what}" for item in findings}
    assert "ok T0ACME: members of channel C0APPROVALS can decide" in lines
    assert "ok T0ACME: VPSOPS_CHANNEL C0OPS can be written to" in lines
    assert "fail T0BETA: members cannot decide: channel C0BAPPR is public, so anyone can join it" in lines
    assert any(line.startswith("fail T0BETA: VPSOPS_CHANNEL C0GONE does not exist") for line in lines)
    assert not any("C0ELSEWHERE" in line for line in lines)
    assert "T0ACME: members cannot decide: channel C0APPROVALS is shared with another company" in {
        item.what for item in shared
    }


QUORUM = """
[[workspace]]
team = "T0ACME"
approval_channel = "C0APPROVALS"
agents = true

[[workspace]]
team = "T0BETA"

[[rule]]
id = "stops"
operation = "stop"
decision = "approve"
approvers = {approvers}
"""


@pytest.mark.requirement("doctor-approval-possible")
@pytest.mark.parametrize(
    ("approvers", "teams", "ends"),
    [
        ('{ channels = ["C0APPROVALS"] }', (TEAM, "T0BETA"), {"ok T0ACME", "warn T0BETA"}),
        ('{ channels = ["C0NOWHERE"] }', (TEAM, "T0BETA"), {"fail T0ACME", "fail T0BETA"}),
        ('{ channels = ["C0APPROVALS"] }', (), {"fail"}),
    ],
    ids=["one workspace can", "none can", "none has the app"],
)
async def test_doctor_ends_well_only_if_an_approval_could_go_through_in_some_workspace(
    desk: InstallationHarness, tmp_path: Path, approvers: str, teams: tuple[str, ...], ends: set[str]
) -> None:
    """A rule that one workspace can meet is a warning in the other; the exit code says the rest."""
    (tmp_path / "vpsops.toml").write_text(QUORUM.format(approvers=approvers), encoding="utf-8")
    scopes = (*READS, "users:read")
    async with running_slack([ACME.with_scopes(*scopes), BETA.with_scopes(*scopes)], clock=VirtualClock()) as slack:
        more = {"slack_api_url": slack.api_url, "config": tmp_path / "vpsops.toml"}
        settings = desk.settings.model_copy(update=more)
        for team, token in ((TEAM, ACME.bot_token), ("T0BETA", BETA.bot_token)):
            slack[team].desk.state.token_refused = None
            if team in teams:
                await desk.kept.async_save(installation(token, team))
        findings = await check_workspaces(settings, VirtualClock())
    lines = [f"{item.level} {item.what}" for item in findings if "rule stops" in item.what]
    assert {line.partition(":")[0] if teams else line.partition(" ")[0] for line in lines} == ends
    assert all(item.todo for item in findings if item.level is not Level.OK)


async def test_doctor_checks_the_scopes_of_each_workspace(desk: InstallationHarness) -> None:
    """One that was installed before a new scope is named, with what does not work there."""
    lesser = replace(ACME, scopes=frozenset({"commands", "chat:write", "users:read"}))
    async with running_slack([lesser, BETA], clock=VirtualClock()) as slack:
        settings = desk.settings.model_copy(update={"slack_api_url": slack.api_url})
        await desk.kept.async_save(installation())
        slack[TEAM].desk.state.token_refused = None
        findings = await check_workspaces(settings, VirtualClock())
    lines = [f"{item.level} {item.what}" for item in findings]
    assert "warn T0ACME: scope usergroups:read is missing: user groups cannot approve" in lines
    assert not any("T0BETA: scope" in line for line in lines)
