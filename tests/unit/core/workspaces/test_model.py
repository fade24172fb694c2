"""Several Slack workspaces on one core: a workspace's changes do not exist for another."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.policies import put_in_force
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.conftest import KEY
from vpsops.core.app import Core, open_core
from vpsops.core.audit import pages
from vpsops.core.audit import queries as audit_view
from vpsops.core.audit.subjects import body_of
from vpsops.core.changes import queries
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR, ChangeQuery, Scope, Visibility
from vpsops.core.common.errors import ConfigurationError, NotAllowedError, UnknownChangeError
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.identity.actors import Actor, ActorKind, Approvers, Origin
from vpsops.core.policy import load_policy
from vpsops.core.policy.decision import Decision
from vpsops.core.service.dashboard import Onlooker, overview_of
from vpsops.core.workspaces.loader import load_workspaces
from vpsops.core.workspaces.model import NOBODY, Workspace, Workspaces
from vpsops.playground.wayscloud.serve import SimulatorHandle

TABLES = """
[[workspace]]
team = "T1"
approval_channel = "C1APPROVE"
channel = "C1OPS"
agents = true

[[workspace]]
team = "T2"
approval_channel = "C2APPROVE"

[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
actor = "person"
operation = ["reboot", "start"]
decision = "confirm"

[[rule]]
id = "stops"
operation = "stop"
decision = "approve"

[[rule]]
id = "agents"
actor = "agent"
operation = ["reboot", "start"]
decision = "approve"
"""
ANN = Actor(ActorKind.PERSON, "U1", "Ann", "U1")
BEN = Actor(ActorKind.PERSON, "U2", "Ben", "U2", groups=("C1APPROVE", "C2APPROVE"))
AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U1")


def environment(folder: Path, text: str = TABLES, **more: str) -> dict[str, str]:
    """Return the environment of a set-up with several workspaces."""
    (folder / "vpsops.toml").write_text(text, encoding="utf-8")
    return {
        "SLACK_CLIENT_ID": "1.2",
        "SLACK_CLIENT_SECRET": "shh",
        "VPSOPS_SLACK_URL": "https://vpsops.example.com",
        "VPSOPS_SLACK_TEAMS": "T1, T2,T3",
        "VPSOPS_STATE_KEY": "k" * 32,
        "VPSOPS_CONFIG": str(folder / "vpsops.toml"),
        **more,
    }


@pytest.fixture
def settings(provider: SimulatorHandle, database_url: str, tmp_path: Path) -> Settings:
    provided = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url, "VPSOPS_DATABASE_URL": database_url}
    return load_settings(environment(tmp_path, **provided))


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[Core]:
    async with open_core(settings, front="cli", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as opened:
        yield opened


async def ask(core: Core, team: str, operation: str = "reboot", key: str = "") -> Change:
    """Let Ann ask from a workspace for a change that is then held."""
    request = Request(operation, {"server": "web01"}, ANN, Origin("slack", team, "C9"), key=key, can_confirm=True)
    outcome = await core.gate.submit(request, scope=Scope(team))
    assert isinstance(outcome, Held), outcome
    return outcome.change


@pytest.mark.requirement("workspaces-apart")
async def test_another_workspace_knows_nothing_of_a_change(core: Core) -> None:
    """No one there can read, confirm, vote on, cancel, settle or wait for it, whatever their id is."""
    change = await ask(core, "T1")
    other = Scope("T2")
    attempts: tuple[Callable[[], Awaitable[Change]], ...] = (
        lambda: core.changes.get(change.id, scope=other),
        lambda: core.gate.confirm(change.id, ANN, change.digest, scope=other),
        lambda: core.gate.vote(change.id, BEN, Verdict.APPROVE, change.digest, scope=other),
        lambda: core.gate.vote(change.id, BEN, Verdict.DENY, change.digest, scope=other),
        lambda: core.gate.cancel(change.id, ANN, scope=other),
        lambda: core.gate.resolve(change.id, ANN, happened=True, scope=other),
        lambda: core.changes.wait(change.id, seconds=1, scope=other),
    )
    for attempt in attempts:
        with pytest.raises(UnknownChangeError):
            await attempt()
    assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.HELD


async def test_a_list_holds_the_changes_of_its_own_workspace(core: Core) -> None:
    """Each workspace lists what it asked for; the operator lists all."""
    first = await ask(core, "T1")
    await core.gate.cancel(first.id, ANN, scope=Scope("T1"))
    second = await ask(core, "T2")
    assert [entry.id for entry in await core.changes.list(scope=Scope("T1"))] == [first.id]
    assert [entry.id for entry in await core.changes.list(open_only=True, scope=Scope("T2"))] == [second.id]
    assert await core.changes.list(scope=Scope("T3")) == []
    assert {entry.id for entry in await core.changes.list(scope=OPERATOR)} == {first.id, second.id}


async def test_a_server_that_another_workspace_acts_on_is_refused_without_a_word_about_it(core: Core) -> None:
    """One change at a time holds for all workspaces; its owner and content are not shown to the others."""
    first = await ask(core, "T1")
    request = Request("reboot", {"server": "web01"}, BEN, Origin("slack", "T2", "C2"), can_confirm=True)
    outcome = await core.gate.submit(request, scope=Scope("T2"))
    assert isinstance(outcome, Refused)
    text = f"{outcome.reason} {outcome.hint}"
    assert "first" in text
    assert not any(word in text for word in (first.id, "Ann", "held", "T1"))
    assert outcome.change is None


async def test_the_same_key_from_another_workspace_is_not_the_same_change(core: Core) -> None:
    """A key that is taken elsewhere discloses no change of another workspace."""
    await ask(core, "T1", key="k1")
    with pytest.raises(UnknownChangeError):
        await ask(core, "T2", key="k1")


async def test_who_approves_is_where_the_change_was_asked_for(core: Core) -> None:
    """A rule that leaves the approvers to the approval channel means the asking workspace's own."""
    change = await ask(core, "T2", "stop")
    assert change.ruling.approvers.channels == ("C2APPROVE",)
    assert [requirement.channels for requirement in change.ruling.requirements] == [("C2APPROVE",)]
    stranger = replace(BEN, groups=("C1APPROVE",))
    with pytest.raises(NotAllowedError):
        await core.gate.vote(change.id, stranger, Verdict.APPROVE, change.digest, scope=Scope("T2"))
    voted = await core.gate.vote(change.id, BEN, Verdict.APPROVE, change.digest, scope=Scope("T2"))
    assert voted.approvals == 1


async def test_a_workspace_without_an_approval_channel_cannot_have_what_needs_approval(core: Core) -> None:
    """It is refused, with the reason, rather than held where no one sees it."""
    request = Request("stop", {"server": "web01"}, ANN, Origin("slack", "T3", "C9"), can_confirm=True)
    outcome = await core.gate.submit(request, scope=Scope("T3"))
    assert isinstance(outcome, Refused)
    assert "no channel for approvals" in outcome.reason


async def test_an_agents_change_belongs_to_the_workspace_that_decides_for_agents(core: Core) -> None:
    """The marked workspace decides it; for the others it does not exist."""
    outcome = await core.gate.submit(
        Request("reboot", {"server": "web01"}, AGENT, Origin("mcp")), scope=core.for_agents().scope
    )
    assert isinstance(outcome, Held)
    assert (outcome.change.origin.team, outcome.change.ruling.approvers.channels) == ("T1", ("C1APPROVE",))
    assert await core.changes.list(scope=Scope("T2")) == []


async def test_agents_are_refused_where_no_workspace_decides_for_them(settings: Settings, tmp_path: Path) -> None:
    """Without `agents = true` no one could approve, so nothing is held."""
    without = environment(
        tmp_path,
        TABLES.replace("agents = true", ""),
        WAYSCLOUD_API_KEY=KEY,
        WAYSCLOUD_API_URL=settings.api_url,
        VPSOPS_DATABASE_URL=settings.database,
    )
    async with open_core(
        load_settings(without), front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY
    ) as core:
        outcome = await core.gate.submit(
            Request("reboot", {"server": "web01"}, AGENT, Origin("mcp")), scope=core.for_agents().scope
        )
        assert isinstance(outcome, Refused)
        assert await core.changes.list(scope=core.for_agents().scope) == []


async def test_only_the_agents_workspace_lets_paused_agents_go_on(core: Core) -> None:
    """Any person may pause agents; resuming is for those who see their approvals."""
    await core.gate.pause_agents(BEN, paused=True, scope=Scope("T2"))
    with pytest.raises(NotAllowedError):
        await core.gate.pause_agents(BEN, paused=False, scope=Scope("T2"))
    assert not (await core.gate.pause_agents(BEN, paused=False, scope=Scope("T1"))).paused


async def test_what_is_listed_and_looked_up_past_the_gate_is_a_workspaces_own_too(core: Core) -> None:
    """Lists, counts, Home's overview and the audit trail show another workspace nothing, not even a refusal."""
    mine = await ask(core, "T1")
    assert isinstance(await core.gate.submit(refused_in("T2"), scope=Scope("T2")), Refused)
    database, now = database_of(core), core.clock.now()
    for team, ids in (("T1", [mine.id]), ("T2", []), ("", [mine.id])):
        teams = core.within(team).teams
        query, visible = ChangeQuery(person="U1"), Visibility(teams)
        page = await database.read(partial(queries.select_page, query=query, visibility=visible))
        assert [change.id for change in page.changes] == ids
        counts = await database.read(partial(queries.count_by_state, query=query, visibility=visible))
        assert sum(counts.values()) == len(ids)
        by_ids = await database.read(partial(queries.select_by_ids, ids=[mine.id], visibility=visible))
        assert [change.id for change in by_ids] == ids
        assert [item.id for item in (await overview_of(database, Onlooker(team, ANN, teams), now)).own] == ids
        wanted_records = audit_view.RecordFilter(teams=teams)
        trail = await database.read(partial(pages.page, record_filter=wanted_records, before=None, limit=50))
        assert {record.change_id for record in trail.records if record.change_id} == set(ids)
        seen = {str(body_of(record).get("team", "")) for record in trail.records}
        assert seen == ({team} if team else {"T1", "T2", ""})  # which policy is in force is the operator's


def refused_in(team: str) -> Request:
    """A request that no rule allows."""
    arguments = {"hostname": "a.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "debian-12"}
    return Request("create", arguments, BEN, Origin("slack", team, "C9"), can_confirm=True)


def test_one_workspace_stays_as_it_was() -> None:
    """Without a client id the settings' channels hold, and changes without a workspace are visible to all."""
    workspaces = load_workspaces(load_settings({"VPSOPS_APPROVAL_CHANNEL": "C1"}))
    settings = load_settings({"VPSOPS_APPROVAL_CHANNEL": "C1"})
    assert workspaces == Workspaces()
    assert workspaces.settings_of(settings, "T1") is settings
    assert workspaces.stamped(Origin("mcp"), "") == Origin("mcp")


def test_a_workspaces_settings_hold_its_own_channels_and_no_others() -> None:
    """Another workspace's table never affects a workspace without a table."""
    workspaces = Workspaces(several=True, known=(Workspace("T1", "CA", "CB"),))
    settings = Settings()
    assert workspaces.settings_of(settings, "T1").approval_channel == "CA"
    assert (workspaces.settings_of(settings, "T2").approval_channel, workspaces.home) == ("", NOBODY)
    assert workspaces.stewards_of("T2") == Approvers(channels=(NOBODY,))


TEAMS = ("T1", "T2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[workspace]]\nteam = "T1"\nchanel = "C1"\n', ":3: workspace: unknown key chanel. Did you mean channel?"),
        ('[[workspace]]\nteam = "C1"\n', ":2: workspace: team: it takes the id of a workspace, which begins with T."),
        ("[[workspace]]\nagents = true\n", ":1: workspace: team is missing."),
        (
            '[[workspace]]\nteam = "T1"\nchannel = "#ops"\n',
            ":3: workspace: channel: it takes the id of a channel, which begins with C or G.",
        ),
        ('[[workspace]]\nteam = "T1"\nagents = "yes"\n', ":3: workspace: agents: it takes true or false."),
        ('[[workspace]]\nteam = "T1"\n\n[[workspace]]\nteam = "T1"\n', ":4: workspace T1 is there already."),
        ('[[workspace]]\nteam = "T9"\n', ":1: workspace T9 may not install the app."),
        ('[[workspace]]\nteam = "T1"\nagents = true\n', ":1: agents = true needs an approval_channel"),
        (
            "".join(
                f'[[workspace]]\nteam = "{team}"\nagents = true\napproval_channel = "C1"\n' for team in ("T1", "T2")
            ),
            ":5: agents = true is another workspace's already.",
        ),
        ("workspace = 1\n", ":1: workspaces are written as [[workspace]]."),
        ('[workspace]\nteam = "T1"\n', "workspaces are written as [[workspace]]."),
    ],
)
def test_a_workspace_that_is_not_right_refuses_to_start(tmp_path: Path, text: str, words: str) -> None:
    """The file, the line and what to do are in the refusal."""
    with pytest.raises(ConfigurationError) as caught:
        load_workspaces(load_settings(environment(tmp_path, text)))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SLACK_CLIENT_SECRET", "", "need SLACK_CLIENT_SECRET too"),
        ("VPSOPS_STATE_KEY", "", "need VPSOPS_STATE_KEY too"),
        ("VPSOPS_SLACK_TEAMS", "", "need VPSOPS_SLACK_TEAMS too"),
        ("VPSOPS_SLACK_URL", "", "need VPSOPS_SLACK_URL too"),
        ("VPSOPS_STATE_KEY", "short", "32 characters or more"),
        ("SLACK_BOT_TOKEN", "xoxb-1", "SLACK_BOT_TOKEN belong to one workspace"),
        ("VPSOPS_APPROVAL_CHANNEL", "C1", "VPSOPS_APPROVAL_CHANNEL belong to one workspace"),
        ("SLACK_CLIENT_ID", "", "has [[workspace]], and SLACK_CLIENT_ID is not set"),
    ],
)
def test_half_a_set_up_refuses_to_start(tmp_path: Path, name: str, value: str, words: str) -> None:
    """A missing or contradictory setting is named; nothing is guessed."""
    with pytest.raises(ConfigurationError) as caught:
        load_workspaces(load_settings(environment(tmp_path, **{name: value})))
    assert words in str(caught.value)


def test_the_policys_version_does_not_depend_on_a_workspace(tmp_path: Path) -> None:
    """Another channel in a workspace's table does not make held changes stale."""
    before = load_policy(load_settings(environment(tmp_path))).version
    after = load_policy(load_settings(environment(tmp_path, TABLES.replace("C2APPROVE", "C3APPROVE")))).version
    assert before == after


def test_the_embedded_policy_asks_people_where_there_are_several_workspaces(tmp_path: Path) -> None:
    """Without a rule of one's own, agents need approval and never their client's own confirmation."""
    policy = load_policy(load_settings(environment(tmp_path, "")))
    assert next(rule for rule in policy.rules if rule.id == "default-agents").decision is Decision.APPROVE


@pytest.mark.requirement("policy-differs-refused")
async def test_a_process_is_bound_to_the_workspace_that_decided_for_agents_at_its_start(
    core: Core, settings: Settings, tmp_path: Path
) -> None:
    """A process without workspace settings takes those in force; once another one decides, it wants a restart."""
    plain = load_settings(
        {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": settings.api_url, "VPSOPS_DATABASE_URL": settings.database_url}
    )
    request = Request("reboot", {"server": "web01"}, AGENT, Origin("mcp"))
    async with open_core(plain, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as bound:
        held = await bound.gate.submit(request, scope=OPERATOR)
        assert isinstance(held, Held)
        assert held.change.ruling.approvers.channels == ("C1APPROVE",)
        moved = TABLES.replace("agents = true", "").replace('"C2APPROVE"', '"C2APPROVE"\nagents = true')
        await put_in_force(database_of(core), load_settings(environment(tmp_path, moved)))
        refused = await bound.gate.submit(request, scope=OPERATOR)
        assert isinstance(refused, Refused)
        assert (refused.reason.startswith("Other workspaces are in force"), refused.hint) == (True, "Restart it.")
