"""Several workspaces on one bot: installing, speaking with the right token, keeping apart, being removed."""

import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.slack_bot import buttons, message_words
from tests.fakes.slack_many import ACME, BETA, GAMMA, WorkspacesHarness, stage
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.app import open_bot
from vpsops.bot.protocol import action_ids
from vpsops.bot.workspaces.registry import NotInstalledError, WorkspaceSessions
from vpsops.bot.workspaces.scopes import INSTALL_PATH
from vpsops.bot.workspaces.token_encryption import TokenCipher
from vpsops.core.app import open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.storage.tables import OUTBOX, SLACK_BOTS
from vpsops.playground.slack.multi_workspace import CLIENT_ID
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.workspace.state import MessageDraft

ALICE, BOB, ZOE = "U0ALICE", "U0BOB", "U0ZOE"
AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U0DAVE")


@pytest.fixture
async def set_up(tmp_path: Path) -> AsyncIterator[WorkspacesHarness]:
    async with stage(tmp_path) as made:
        yield made


@pytest.fixture
async def both(set_up: WorkspacesHarness) -> WorkspacesHarness:
    assert (await set_up.install("T0ACME"))[0] == 200
    assert (await set_up.install("T0BETA"))[0] == 200
    return set_up


async def test_a_workspace_installs_the_app_and_is_answered_with_its_own_token(both: WorkspacesHarness) -> None:
    """Each workspace's answers and cards carry its token, and nothing of one is sent to the other."""
    acme, beta = both.slack["T0ACME"], both.slack["T0BETA"]
    await acme.command(BOB, "ops", "/vps", "reboot web01")
    await both.card("T0ACME", "ops", "web01")
    assert not [item for item in beta.log if item.method.startswith("chat.")]
    await beta.command(ZOE, "ops", "/vps", "show web01")
    await both.private("T0BETA", ZOE, "web01.example.com")
    assert acme.config.team_name not in both.sent_words(beta)


@pytest.mark.requirement("workspace-tokens-sealed")
async def test_tokens_are_sealed_at_rest_and_in_no_log(
    both: WorkspacesHarness, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the database's files nor any output holds a token, a code, a state or the client's secret."""
    files = b"".join([await path.read_bytes() async for path in anyio.Path(tmp_path).glob("bot.sqlite3*")])
    written = caplog.text + "".join(capsys.readouterr())
    for secret in (ACME.bot_token, BETA.bot_token, both.settings.slack_client_secret):
        word = secret if isinstance(secret, str) else secret.get_secret_value() if secret else "-"
        assert word.encode() not in files
        assert word not in written
    with sqlite3.connect(tmp_path / "bot.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM slack_oauth_states").fetchone() == (0,)
        assert connection.execute("SELECT DISTINCT user_token FROM slack_installations").fetchall() == [(None,)]


async def test_people_of_another_workspace_can_neither_see_nor_decide_nor_end_a_change(both: WorkspacesHarness) -> None:
    """A change of another workspace cannot be reached by its id, by a button with its id and digest, or by a name."""
    acme, beta = both.slack["T0ACME"], both.slack["T0BETA"]
    await acme.command(ALICE, "ops", "/vps", "stop web01 because of noise")
    card = await both.card("T0ACME", "approvals", "web01")
    change = (await both.core.changes.list(scope=OPERATOR))[0]
    for text in (f"cancel {change.id}", f"approve {change.id}", "changes", "audit", "report"):
        await beta.command(ALICE, "ops", "/vps", text)
    await both.private("T0BETA", ALICE, "no change")
    await _press_as_beta(both, card.blocks, action_ids.APPROVE)
    await both.private("T0BETA", ZOE, "do not know")
    assert (await both.core.changes.get(change.id, scope=OPERATOR)).state is State.HELD
    messages = both.sent_words(beta)
    assert not any(word in messages for word in ("of noise", "C0OPS", "C0APPROVALS"))
    assert both.effects("stop") == 0


async def _press_as_beta(both: WorkspacesHarness, blocks: tuple[dict[str, object], ...], action: str) -> None:
    """Let a person of Beta press a button that was copied from a card of Acme's."""
    beta = both.slack["T0BETA"]
    forged = beta.desk.state.post(_draft(beta.config.bot_user_id, blocks), beta.desk.now())
    await beta.click(ZOE, forged, action)


def _draft(user: str, blocks: tuple[dict[str, object], ...]) -> MessageDraft:
    return MessageDraft("C0BOPS", user, "copied", blocks, "B0VPSBOT")


async def test_each_workspaces_own_people_approve_in_its_own_channel(both: WorkspacesHarness) -> None:
    """The card stands in the asking workspace's approval channel, and its members' votes count."""
    beta = both.slack["T0BETA"]
    await beta.command(ALICE, "ops", "/vps", "stop web01")
    card = await both.card("T0BETA", "approvals", "web01")
    assert not both.slack["T0ACME"].messages("approvals")
    await beta.click(ZOE, card, action_ids.APPROVE)
    change = (await both.core.changes.list(scope=OPERATOR))[0]
    assert (await both.core.changes.wait(change.id, seconds=5, scope=OPERATOR)).state is State.SUCCEEDED
    assert both.effects("stop") == 1


async def test_home_shows_what_waits_in_ones_own_workspace_only(both: WorkspacesHarness) -> None:
    """A person of the same id in another workspace has a Home of their own, with nothing of this one's on it."""
    acme, beta = both.slack["T0ACME"], both.slack["T0BETA"]
    await acme.command(ALICE, "ops", "/vps", "stop web01 because of noise")
    await both.card("T0ACME", "approvals", "web01")
    homes = {}
    for workspace, user in ((acme, BOB), (beta, ALICE), (acme, ALICE)):
        await workspace.open_home(user)
        await workspace.wait_for(lambda: "As of" in _home_of(workspace, user))  # noqa: B023 - waited for here
        homes[workspace.config.team_id, user] = _home_of(workspace, user)
    assert "of noise" in homes["T0ACME", BOB]
    assert "of noise" in homes["T0ACME", ALICE]
    assert "of noise" not in homes["T0BETA", ALICE]
    assert "No pending votes." in homes["T0BETA", ALICE]


def _home_of(workspace: SimulatedWorkspace, user: str) -> str:
    view = workspace.home(user)
    return str(view.blocks) if view else ""


async def test_an_agents_change_is_decided_where_agents_belong(both: WorkspacesHarness) -> None:
    """The marked workspace gets the card; the other gets nothing."""
    change = await _agent_asks(both)
    card = await both.card("T0ACME", "approvals", "web01")
    await both.slack["T0ACME"].click(BOB, card, action_ids.APPROVE)
    assert (await both.core.changes.wait(change.id, seconds=5, scope=OPERATOR)).state is State.SUCCEEDED
    assert "web01" not in both.sent_words(both.slack["T0BETA"])


async def _agent_asks(both: WorkspacesHarness) -> Change:
    request = Request("reboot", {"server": "web01"}, AGENT, Origin("mcp"), reason="it hangs", key="k1")
    outcome = await both.core.gate.submit(request, scope=both.core.for_agents().scope)
    assert isinstance(outcome, Held)
    return outcome.change


async def test_a_workspace_that_removes_the_app_is_left_at_once(both: WorkspacesHarness) -> None:
    """Its token is forgotten, its pending messages are given up, and the other workspace continues."""
    beta = both.slack["T0BETA"]
    await beta.command(ALICE, "ops", "/vps", "stop web01")
    await both.card("T0BETA", "approvals", "web01")
    await both.slack.uninstall("T0BETA")
    calls = len(beta.log)
    await beta.command(ZOE, "ops", "/vps", "show web01")
    change = (await both.core.changes.list(scope=OPERATOR))[0]
    await both.core.gate.cancel(change.id, change.actor, scope=OPERATOR)
    await both.slack["T0ACME"].command(BOB, "ops", "/vps", "show web01")
    await both.private("T0ACME", BOB, "web01.example.com")
    assert len(beta.log) == calls
    assert not beta.hook_log[1:]


async def test_a_person_who_ends_only_their_own_token_removes_nothing(both: WorkspacesHarness) -> None:
    """`tokens_revoked` without a bot's token leaves the installation as it is."""
    beta = both.slack["T0BETA"]
    await beta.event({"type": "tokens_revoked", "tokens": {"oauth": [ZOE], "bot": []}})
    await beta.command(ZOE, "ops", "/vps", "show web01")
    await both.private("T0BETA", ZOE, "web01.example.com")


async def test_a_late_word_of_an_old_removal_does_not_undo_a_new_installation(both: WorkspacesHarness) -> None:
    """Slack repeats events for minutes; what was installed since then stays."""
    installations = both.bot.context.sessions
    await installations.removed("T0BETA", both.core.clock.now().timestamp() - 60)
    await both.slack["T0BETA"].command(ZOE, "ops", "/vps", "show web01")
    await both.private("T0BETA", ZOE, "web01.example.com")


async def test_a_refused_old_token_does_not_undo_a_new_installation(both: WorkspacesHarness) -> None:
    """A message sent with the previous token is refused after the app was reinstalled: the new token stays."""
    offices = both.bot.context.sessions
    now = (await offices.of("T0BETA")).slack.client.token or ""
    assert not await offices.gone("T0BETA", "xoxb-of-before")
    assert (await offices.of("T0BETA")).slack.client.token == now
    assert await offices.gone("T0BETA", now)
    with pytest.raises(NotInstalledError):
        await offices.of("T0BETA")


async def test_a_workspace_that_is_not_listed_is_refused_and_its_token_given_back(set_up: WorkspacesHarness) -> None:
    """Nothing is stored, and Slack's token is revoked at once."""
    status, page = await set_up.install("T0GAMMA")
    assert (status, "not among those" in page) == (403, True)
    assert [item.method for item in set_up.slack["T0GAMMA"].log][-1] == "auth.revoke"
    assert GAMMA.bot_token not in page


async def test_a_whole_organisation_is_refused_with_what_to_do(set_up: WorkspacesHarness) -> None:
    """The page asks for a single workspace; nothing is stored."""
    set_up.slack.org_wide = True
    status, page = await set_up.install("T0ACME")
    assert (status, "Choose one workspace" in page) == (403, True)
    set_up.slack.org_wide = False
    assert (await set_up.install("T0ACME"))[0] == 200


async def test_a_state_is_used_once_by_the_browser_that_got_it(set_up: WorkspacesHarness) -> None:
    """Another browser, no cookie, a second use, an invented or a missing state: nothing is installed."""
    slack, visitor, other = set_up.slack, set_up.visitor(), set_up.visitor()
    await visitor.begin()
    await other.begin()
    assert (await visitor.finish(slack.install_anew("T0ACME"), cookie=other.cookie))[0] == 400
    assert (await visitor.finish(slack.install_anew("T0ACME"), cookie=""))[0] == 400
    assert (await visitor.finish(slack.install_anew("T0ACME"), state="", cookie=""))[0] == 400
    assert (await visitor.finish(slack.install_anew("T0ACME"), state="x", cookie="slack-app-oauth-state=x"))[0] == 401
    assert (await visitor.finish(slack.install_anew("T0ACME")))[0] == 200
    assert (await visitor.finish(slack.install_anew("T0ACME")))[0] == 401


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"error": "access_denied"}, 200, "cancelled"),
        ({"error": "<script>alert(1)</script>"}, 200, "Nothing was installed"),
        ({}, 400, "Begin again"),
    ],
)
async def test_whoever_comes_back_without_a_code_is_told_why(
    set_up: WorkspacesHarness, params: dict[str, str], status: int, words: str
) -> None:
    """Nothing from the address ends up in the page."""
    visitor = set_up.visitor()
    await visitor.begin()
    answered, page = await visitor.come_back(params)
    assert (answered, words in page, "<script>" in page) == (status, True, False)


async def test_a_code_that_slack_refuses_installs_nothing(set_up: WorkspacesHarness) -> None:
    """An invented code is answered with a page, and with no trace of the code in the log."""
    visitor = set_up.visitor()
    await visitor.begin()
    status, page = await visitor.finish("no-such-code")
    assert (status, "does not take the code" in page) == (401, True)


async def test_the_pages_may_not_be_framed_or_kept(set_up: WorkspacesHarness) -> None:
    """No script, no frame, no cache, no referrer; the cookie is for HTTPS and not for scripts."""
    async with set_up.session.get(set_up.base + INSTALL_PATH) as answer:
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
        assert re.search("secure.*|httponly.*", answer.headers["Set-Cookie"], re.IGNORECASE)


async def test_a_workspace_that_is_installed_anew_gets_one_row(both: WorkspacesHarness, tmp_path: Path) -> None:
    """The newer installation replaces the older."""
    assert (await both.install("T0ACME"))[0] == 200
    with sqlite3.connect(tmp_path / "bot.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM slack_bots WHERE team_id = 'T0ACME'").fetchone() == (1,)


async def test_what_everybody_should_know_is_told_in_every_workspace(both: WorkspacesHarness) -> None:
    """A pause of all agents is news for each workspace's own channel."""
    await both.slack["T0ACME"].command(BOB, "ops", "/vps", "pause because of an audit")
    await both.card("T0ACME", "ops", "Agents are paused")
    await both.card("T0BETA", "ops", "Agents are paused")


async def test_one_socket_mode_connection_serves_all_workspaces(tmp_path: Path) -> None:
    """Each delivery names its workspace; the pages to install the app come over HTTP."""
    async with stage(tmp_path, by_socket=True) as made:
        for team, user in (("T0ACME", BOB), ("T0BETA", ZOE)):
            assert (await made.install(team))[0] == 200
            delivery = await made.slack[team].command(user, "ops", "/vps", "show web01", transport="socket")
            assert delivery.attempts[0].transport == "socket"
            await made.private(team, user, "web01.example.com")


async def test_a_restarted_bot_knows_its_workspaces(both: WorkspacesHarness) -> None:
    """Installations are in the database; another process, or the next one, speaks with the same tokens."""
    async with (
        open_core(both.settings, front="slack", timing=QUICK, clock=VirtualClock()) as core,
        open_bot(core) as bot,
    ):
        office = await bot.context.sessions.of("T0BETA")
        assert (await office.slack.get("auth.test", {}))["team_id"] == "T0BETA"
        with pytest.raises(NotInstalledError):
            await bot.context.sessions.of("T0GAMMA")


async def test_a_token_that_slack_takes_no_more_ends_the_installation(both: WorkspacesHarness) -> None:
    """Without an event about it, the first refused message ends it; nothing is tried for ever."""
    beta = both.slack["T0BETA"]
    await beta.command(ALICE, "ops", "/vps", "stop web01")
    await both.card("T0BETA", "approvals", "web01")
    beta.desk.state.token_refused = "account_inactive"
    change = (await both.core.changes.list(scope=OPERATOR))[0]
    await both.core.gate.cancel(change.id, change.actor, scope=OPERATOR)
    offices = both.bot.context.sessions
    clock = VirtualClock()
    with anyio.fail_after(PATIENCE_SECONDS):
        while await _installed(offices, "T0BETA"):
            await clock.sleep(0.02)
    assert await _installed(offices, "T0ACME")
    assert both.bot.context.outbox_worker.health.why == ""


async def _installed(offices: WorkspaceSessions, team: str) -> bool:
    try:
        await offices.of(team)
    except NotInstalledError:
        return False
    return True


async def test_a_card_waits_for_its_own_people_only(both: WorkspacesHarness) -> None:
    """The asker's card of one workspace is not posted to the other's channels."""
    await both.slack["T0ACME"].command(BOB, "ops", "/vps", "reboot web01")
    card = await both.card("T0ACME", "ops", "web01")
    assert action_ids.CONFIRM in {action_ids.base_action_id(button) for button in buttons(card)}
    assert "web01" in message_words(card)
    assert both.slack["T0BETA"].messages("ops") == []


@pytest.mark.requirement("tokens-outlive-keys")
async def test_a_bot_without_the_key_of_a_token_leaves_its_workspace_to_one_that_has_it(
    both: WorkspacesHarness,
) -> None:
    """Another process rotated the key already: nothing is dropped or forgotten, and other workspaces continue."""
    elsewhere = TokenCipher(["n" * 32]).encrypt(ACME.bot_token, f"{CLIENT_ID}/T0ACME")
    before = await _replace_token(both, elsewhere)
    request = Request("stop", {"server": "web01"}, Actor(ActorKind.PERSON, ALICE), Origin("slack", "T0ACME", "C0OPS"))
    assert isinstance(await both.core.gate.submit(request, scope=Scope("T0ACME")), Held)
    await both.slack["T0BETA"].command(ZOE, "ops", "/vps", "show db01")
    await both.private("T0BETA", ZOE, "db01.example.com")
    await VirtualClock().sleep(60)
    assert not both.slack["T0ACME"].messages("approvals")
    states = await database_of(both.core).read(lambda connection: connection.scalars(sa.select(OUTBOX.c.state)).all())
    assert states
    assert "dead" not in states
    assert await _replace_token(both, before) == elsewhere
    await both.card("T0ACME", "approvals", "web01")


async def _replace_token(both: WorkspacesHarness, token: str) -> str:
    """Store another value in the place of Acme's token, and return what was there."""

    def work(connection: sa.Connection) -> str:
        acme = SLACK_BOTS.c.team_id == "T0ACME"
        before = connection.scalar(sa.select(SLACK_BOTS.c.bot_token).where(acme))
        connection.execute(sa.update(SLACK_BOTS).where(acme).values(bot_token=token))
        return str(before)

    return await database_of(both.core).transact(work)
