"""The human behind an agent never decides on its requests, however named; an unresolved human requests nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.adversary.harness import APPROVALS, PRIVATE
from tests.fakes.slack_bot import BotHarness, Scene, message_words, stage
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.diagnostics.people import check_actor
from vpsops.core.app import Core, open_core
from vpsops.core.audit import chain
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Outcome, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import load_settings
from vpsops.core.console.checks import Level
from vpsops.core.identity.actors import Origin
from vpsops.mcp_server.auth.deactivated_accounts import ActiveAccountVerifier
from vpsops.mcp_server.auth.issuer import IssuerConfig, TokenNotAcceptedError, VerifiedToken
from vpsops.mcp_server.auth.jwt_verifier import verified_token_from
from vpsops.mcp_server.auth.middleware import AuthConfig, CallerToken, Verifier
from vpsops.mcp_server.auth.principal import Caller, agent_from
from vpsops.mcp_server.auth.static_tokens import read_tokens
from vpsops.mcp_server.diagnostics import check_humans
from vpsops.playground.slack.workspace.config import OUTSIDERS
from vpsops.playground.slack.workspace.entities import User

GUEST = User("U0GUEST", "gus", "Gus", "gus@acme.example", is_restricted=True)
LEFT = User("U0LEFT", "lea", "Lea", "lea@acme.example", deleted=True)
SCENE = Scene(workspace=replace(PRIVATE, users=(*PRIVATE.users, GUEST, LEFT, *OUTSIDERS)), settings=APPROVALS)
TRUST: Final = IssuerConfig("https://issuer.example", "aud", "email", "slack")
WRITES: Final = 'subject = "laptop"\nscopes = ["vps:write"]\n'


def by_token(folder: Path, written: str) -> Caller:
    """Return who calls with a token of a file."""
    path = folder / "tokens.toml"
    path.write_text(f'[[token]]\nsha256 = "{"0" * 64}"\n{WRITES}{written}\n', encoding="utf-8")
    return read_tokens(path)[0].caller


def by_oauth(claims: Mapping[str, Any]) -> Caller:
    """Return who calls with an access token."""
    base = {"sub": "auth|alice", "scope": "vps:write", "email": "alice@acme.example", "email_verified": True}
    return verified_token_from({**base, **claims}, TRUST).caller


def by_setting(actor: str) -> Caller:
    """Return the session's human on a local server."""
    return Caller(load_settings({"VPSOPS_ACTOR": actor}).actor, named_in="VPSOPS_ACTOR")


Named = Callable[[Path], Caller]
ALICES: Final[Mapping[str, Named]] = {
    "token: a Slack id": lambda folder: by_token(folder, 'slack_user = "U0ALICE"'),
    "token: her address": lambda folder: by_token(folder, 'human = "alice@acme.example"'),
    "token: her address in capitals": lambda folder: by_token(folder, 'human = " ALICE@Acme.Example "'),
    "token: her address and her id": lambda folder: by_token(
        folder, 'human = "alice@acme.example"\nslack_user = "U0ALICE"'
    ),
    "token: an old address and her id": lambda folder: by_token(
        folder, 'human = "al@old.example"\nslack_user = "U0ALICE"'
    ),
    "token: her address and a user name like an id": lambda folder: by_token(
        folder, 'human = "alice@acme.example"\naliases = ["u123456"]'
    ),
    "token: her address and Bob's id as a word": lambda folder: by_token(
        folder, 'human = "alice@acme.example"\naliases = ["U0BOB"]'
    ),
    "oauth: her address": lambda _: by_oauth({}),
    "oauth: an employee number like an id": lambda _: by_oauth({"sub": "U123456"}),
    "oauth: a subject like Bob's id": lambda _: by_oauth({"sub": "U0BOB"}),
    "oauth: a claim with her id": lambda _: by_oauth({"email_verified": None, "slack": "U0ALICE"}),
    "setting: her id": lambda _: by_setting("slack:U0ALICE"),
    "setting: her address": lambda _: by_setting("alice@acme.example"),
}
NOBODIES: Final[Mapping[str, tuple[Named, str]]] = {
    "a typing mistake": (lambda folder: by_token(folder, 'human = "alcie@acme.example"'), "no active account"),
    "another domain": (lambda folder: by_token(folder, 'human = "alice@acme.test"'), "no active account"),
    "an id without an account": (lambda _: by_setting("slack:U0NOBODY"), "no account U0NOBODY"),
    "an id beside a good address": (
        lambda folder: by_token(folder, 'human = "alice@acme.example"\nslack_user = "U0NOBODY"'),
        "no account U0NOBODY",
    ),
    "two people's names": (
        lambda folder: by_token(folder, 'human = "alice@acme.example"\nslack_user = "U0BOB"'),
        "several accounts",
    ),
    "a guest": (lambda _: by_setting("gus@acme.example"), "a guest's"),
    "who left, by address": (lambda _: by_setting("lea@acme.example"), "no active account"),
    "who left, by id": (lambda _: by_setting("slack:U0LEFT"), "deactivated"),
    "another company's, by address": (lambda _: by_setting("eve@rival.example"), "of another workspace"),
    "another company's, by id": (lambda _: by_setting("slack:U0EVE"), "of another workspace"),
    "the app itself": (lambda _: by_setting("slack:U0VPSBOT"), "no full member's"),
}


async def ask(core: Core, caller: Caller, server: str = "web01") -> Outcome:
    """Ask for a reboot as an agent of the caller's."""
    request = Request("reboot", {"server": server}, agent_from("helper", caller), Origin("mcp"))
    return await core.gate.submit(replace(request, named_in=caller.named_in), scope=OPERATOR)


async def refused_to_alice(world: BotHarness, core: Core, change: str) -> None:
    """Have Alice click on the card of a change: it is not hers to decide."""
    card = await world.card("approvals", words="waiting for approval")
    assert "<@U0ALICE>" in message_words(card)
    for action in ("vps:approve", "vps:deny"):
        await world.slack.click("alice", card, action)
    await world.private("alice", "You asked for this change")
    held = await core.changes.get(change, scope=OPERATOR)
    assert (held.state, held.votes, held.actor.account) == (State.HELD, (), "U0ALICE")
    assert world.effects("reboot") == 0


@pytest.mark.requirement("asker-never-votes")
@pytest.mark.parametrize("named", ALICES)
async def test_however_she_is_named_she_does_not_decide(tmp_path: Path, named: str) -> None:
    """Her account stands on the card and in the trail; her clicks are refused, and Bob's runs it."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        outcome = await ask(core, ALICES[named](tmp_path))
        assert isinstance(outcome, Held), outcome
        await refused_to_alice(world, core, outcome.change.id)
        first = (await database_of(core).read(chain.read))[1]  # after the policy that was put in force
        assert first.body["actor"]["account"] == "U0ALICE"
        await world.slack.click("bob", await world.card("approvals"), "vps:approve")
        await world.card("approvals", words="Reboot web01.example.com: done")


@pytest.mark.requirement("humans-are-accounts")
@pytest.mark.parametrize("named", NOBODIES)
async def test_who_is_not_one_full_member_asks_for_nothing(tmp_path: Path, named: str) -> None:
    """It is refused at once, on record, with the name and where it is set; nothing waits for votes."""
    caller, why = NOBODIES[named][0](tmp_path), NOBODIES[named][1]
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        outcome = await ask(core, caller)
        assert isinstance(outcome, Refused)
        assert why in outcome.reason
        assert caller.human in outcome.reason
        assert caller.named_in in outcome.reason
        assert await core.changes.list(scope=OPERATOR) == []
        assert [item.event for item in await database_of(core).read(chain.read)] == ["policy_applied", "refused"]


@pytest.mark.requirement("humans-are-accounts")
async def test_an_address_that_changes_alters_nothing(tmp_path: Path) -> None:
    """Alice's address is Bob's a moment later: it is still Alice who asked, and Bob who may decide."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        outcome = await ask(core, ALICES["token: her address"](tmp_path))
        assert isinstance(outcome, Held)
        world.slack.change_email("alice", "alice@elsewhere.example")
        world.slack.change_email("bob", "alice@acme.example")
        await refused_to_alice(world, core, outcome.change.id)
        await world.slack.click("bob", await world.card("approvals"), "vps:approve")
        await world.card("approvals", words="Reboot web01.example.com: done")


@pytest.mark.parametrize(
    "actor", ["ursula", "William", "ubuntu", "www", "wilma9", "U0ALICE", "u0alice", "slack:ursula"]
)
def test_no_shape_is_an_identity_in_the_settings(actor: str) -> None:
    """A user name in the form of a Slack id is refused at the start, and so is an id that is not declared."""
    with pytest.raises(ConfigurationError, match="VPSOPS_ACTOR"):
        load_settings({"VPSOPS_ACTOR": actor})


@pytest.mark.parametrize(
    "email",
    [
        "a@b",
        "alice",
        "al ice@acme.example",
        "alice@acme@example.com",
        "alice\x00@acme.example",
        "alic\u0435@acme.example",
    ],
)
def test_no_address_is_taken_that_is_not_plainly_one(tmp_path: Path, email: str) -> None:
    """Every entry point refuses a bare host, spaces, control characters, several @ and letters of two alphabets."""
    escaped = email.encode("unicode_escape").decode().replace("\\x00", "\\u0000")
    with pytest.raises(ConfigurationError, match="VPSOPS_HTTP_TOKENS_FILE"):
        by_token(tmp_path, f'human = "{escaped}"')
    assert by_oauth({"email": email}).may_change is False


@pytest.mark.parametrize("verified", [None, False, "true", 1, "yes"])
def test_an_address_that_is_not_proven_may_only_read(verified: object) -> None:
    """Absent is not verified: with an issuer that lets users edit their address it may be any person's."""
    caller = by_oauth({"email": "bob@acme.example", "email_verified": verified})
    assert (caller.may_change, "bob@acme.example" in (caller.human, *caller.aliases)) == (False, False)


@pytest.mark.requirement("humans-are-accounts")
async def test_a_process_without_slack_asks_the_bot_through_the_database(tmp_path: Path) -> None:
    """An MCP process has no token of Slack's; what it asks for carries the account all the same."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core), _mcp(world) as agents:
        outcome = await ask(agents, ALICES["setting: her address"](tmp_path))
        assert isinstance(outcome, Held), outcome
        await refused_to_alice(world, core, outcome.change.id)


@pytest.mark.requirement("humans-are-accounts")
async def test_without_a_bot_nothing_waits_for_votes(tmp_path: Path) -> None:
    """Without a bot the agent's human is unknown, so it is refused, with what to start."""
    async with stage(tmp_path, SCENE) as world, _mcp(world) as agents:
        outcome = await ask(agents, ALICES["setting: her address"](tmp_path))
        assert isinstance(outcome, Refused)
        assert "No Slack bot is running on this database" in outcome.reason
        assert "vpsops bot" in outcome.hint
        assert await agents.changes.list(scope=OPERATOR) == []


@pytest.mark.requirement("humans-are-accounts")
async def test_while_slack_is_mute_nothing_waits_for_votes(tmp_path: Path) -> None:
    """What cannot be found out is not found: the request is refused, and is not held for later."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        world.slack.faults.fail_next("users.lookupByEmail", 1000, "internal_error")
        outcome = await ask(core, ALICES["setting: her address"](tmp_path))
        assert isinstance(outcome, Refused)
        assert "Slack did not return this account" in outcome.reason


def _mcp(world: BotHarness) -> Any:
    settings = world.settings.model_copy(update={"slack_bot_token": None, "slack_app_token": None})
    return open_core(settings, front="mcp", clock=VirtualClock(), timing=QUICK)


@pytest.mark.requirement("humans-are-accounts")
async def test_a_token_of_somebody_who_left_stops_working(tmp_path: Path) -> None:
    """Within a minute of the account's end, for reads as well; other people's tokens keep working."""
    async with stage(tmp_path, SCENE) as world, world.bot() as (_, core):
        assert core.accounts is not None
        clock = VirtualClock()
        verifier = ActiveAccountVerifier(_Known(by_token(tmp_path, 'slack_user = "U0BOB"')), core.accounts, clock)
        other = ActiveAccountVerifier(_Known(by_token(tmp_path, 'slack_user = "U0CAROL"')), core.accounts, clock)
        assert (await verifier.verify_token("any")).caller.human == "slack:U0BOB"
        world.slack.deactivate("bob")
        await clock.sleep(60)
        with pytest.raises(TokenNotAcceptedError, match="deactivated"):
            await verifier.verify_token("any")
        assert (await other.verify_token("any")).caller.human == "slack:U0CAROL"


@pytest.mark.requirement("humans-are-accounts")
async def test_doctor_names_each_configured_human_who_is_nobody(tmp_path: Path) -> None:
    """One line for each, with where it is set; it fails for those who could ask for nothing."""
    by_token(tmp_path, 'human = "alcie@acme.example"')
    more = {"actor": "alice@acme.example", "http_tokens_file": tmp_path / "tokens.toml"}
    async with stage(tmp_path, SCENE) as world, world.bot():
        settings, clock = world.settings.model_copy(update=more), VirtualClock()
        findings = [*await check_actor(settings, clock), *await check_humans(settings, clock)]
    assert [item.level for item in findings] == [Level.OK, Level.FAIL]
    assert "VPSOPS_ACTOR, alice@acme.example, is the account U0ALICE" in findings[0].what
    assert "alcie@acme.example, set in the token of laptop" in findings[1].what


class _Known(Verifier):
    """A verifier that takes any token for one caller's."""

    def __init__(self, caller: Caller) -> None:
        super().__init__(AuthConfig(), None)
        self._user = CallerToken.of(VerifiedToken(caller, ""), "")

    async def verify_token(self, token: str) -> CallerToken:
        """Return the one user."""
        del token
        return self._user
