"""`policy explain` and `doctor` report for each named human the account it has, or that it has none."""

from pathlib import Path

import pytest

from tests.adversary.people.test_behind_agents import SCENE
from tests.fakes.slack_bot import stage
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.diagnostics.people import check_actor, check_people
from vpsops.cli import main as console
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import Level
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.policy_register.humans import human_named, unresolved, with_account
from vpsops.mcp_server.diagnostics import check_humans

EXPLAIN = ("policy", "explain", "--as", "agent", "--operation", "stop", "--server", "web01")
NAMED = {
    "alice@acme.example": "the account U0ALICE",
    " Alice@ACME.example": "the account U0ALICE",
    "slack:U0ALICE": "the account U0ALICE",
    "alcie@acme.example": "no account: Slack knows no active account by that name",
    "slack:U0NONE": "no account: Slack knows no account U0NONE",
    "gus@acme.example": "no account: that account is a guest's",
    "slack:U0LEFT": "no account: that account is deactivated",
    "eve@rival.example": "no account: ",
    "local:alice": "no account in Slack",
}
TOKENS = {"human": {"typo": "alcie@acme.example", "good": "carol@acme.example"}, "slack_user": {"left": "U0LEFT"}}


def written() -> str:
    """Return a file of tokens of people who are there, and who are not."""
    lines = [
        f'[[token]]\nsha256 = "{number:064}"\nsubject = "{subject}"\n{key} = "{who}"\nscopes = ["vps:read"]\n'
        for number, (key, subject, who) in enumerate((k, s, w) for k, named in TOKENS.items() for s, w in named.items())
    ]
    return "\n".join(lines)


@pytest.mark.requirement("configured-accounts-exist")
async def test_each_named_human_is_looked_up(tmp_path: Path) -> None:
    """The human given with --human, and all configured ones; both commands report the same of them."""
    (tmp_path / "tokens.toml").write_text(written(), encoding="utf-8")
    more = {"actor": "slack:U0GUEST", "http_tokens_file": tmp_path / "tokens.toml"}
    async with stage(tmp_path, SCENE) as world, world.bot():
        settings, clock = world.settings.model_copy(update=more), VirtualClock()
        for name, words in NAMED.items():
            agent = Actor(ActorKind.AGENT, "ci", human=human_named(name))
            known, refusal = await with_account(agent, settings, clock)
            assert words in refusal, name
            assert ("refused" in refusal) != bool(known.account)
        lines = await unresolved(settings, [check_actor, check_humans], clock)
        findings = [*await check_actor(settings, clock), *await check_humans(settings, clock)]
    assert [line.split(" is no account")[0] for line in lines] == [
        "humans: VPSOPS_ACTOR, slack:U0GUEST,",
        "humans: alcie@acme.example, set in the token of typo in VPSOPS_HTTP_TOKENS_FILE,",
        "humans: slack:U0LEFT, set in the token of left in VPSOPS_HTTP_TOKENS_FILE,",
    ]
    assert [item.level for item in findings] == [Level.FAIL, Level.FAIL, Level.OK, Level.FAIL]


@pytest.mark.requirement("configured-accounts-exist")
async def test_what_cannot_be_looked_up_is_said(tmp_path: Path) -> None:
    """Without a bot on this database the account is unknown; the decision is explained all the same."""
    (tmp_path / "tokens.toml").write_text(written(), encoding="utf-8")
    async with stage(tmp_path, SCENE) as world:
        actor = Actor(ActorKind.AGENT, "ci", human="alice@acme.example")
        known, refusal = await with_account(actor, world.settings, VirtualClock())
        lines = await unresolved(
            world.settings.model_copy(update={"http_tokens_file": tmp_path / "tokens.toml"}),
            [check_humans],
            VirtualClock(),
        )
    assert known == actor
    assert "not looked up. No Slack bot is running on this database" in refusal
    assert "No Slack bot is running on this database" in lines[0]


@pytest.mark.requirement("configured-accounts-exist")
@pytest.mark.parametrize("name", ["U0ALICE", "alice", "slack:alice", "alice@", "a@b"])
def test_a_word_that_names_nobody_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A shape is no identity; the error repeats the malformed name."""
    assert console.main([*EXPLAIN, "--human", name]) == exit_codes.USAGE
    assert f"--human '{name}'" in capsys.readouterr().err


@pytest.mark.requirement("configured-accounts-exist")
def test_without_slack_it_is_said_how_much_is_known(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No account is queried, and a yes is the client's word."""
    for name in ("VPSOPS_CONFIG", "VPSOPS_APPROVAL_CHANNEL"):
        monkeypatch.delenv(name, raising=False)
    assert console.main([*EXPLAIN, "--human", "alice@acme.example"]) == exit_codes.GOOD
    assert "human alice@acme.example: not looked up, since there is no Slack here" in capsys.readouterr().out


RULES = """
[[rule]]
id = "stops"
operation = "stop"
decision = "approve"
approvers = { people = ["U0BOB", "U0LEFT", "gus@acme.example"] }

[[rule]]
id = "mail"
person = ["alice@acme.example", "absent@acme.example"]
decision = "confirm"
"""


@pytest.mark.requirement("configured-accounts-exist")
async def test_each_person_of_a_rule_is_looked_up(tmp_path: Path) -> None:
    """The people that a rule asks, and those that it is about; one without an account is named with the rule."""
    (tmp_path / "vpsops.toml").write_text(RULES, encoding="utf-8")
    async with stage(tmp_path, SCENE) as world:
        settings = world.settings.model_copy(update={"config": tmp_path / "vpsops.toml"})
        findings = await check_people(settings, VirtualClock())
        lines = await unresolved(settings, [check_people], VirtualClock())
        world.slack.refuse_token("invalid_auth")
        mute = await check_people(settings, VirtualClock())
    assert {item.what.partition(",")[0].lower(): item.level for item in findings} == {
        "u0bob": Level.OK,
        "u0left": Level.WARN,
        "gus@acme.example": Level.WARN,
        "alice@acme.example": Level.OK,
        "absent@acme.example": Level.WARN,
    }
    assert [line for line in lines if "named by rule mail, has no account" in line]
    assert len(lines) == 3
    assert {item.level for item in mute} == {Level.WARN}
    assert all("cannot read the account of" in item.what for item in mute)
