"""People at terminals are claims: what a request from there needs before anything is held."""

import getpass
from dataclasses import replace

import pytest

from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS
from tests.unit.core.sample import change
from vpsops.core.authorization.refusals import IdentifiedActor, identify, refusal_of, terminal_refusal
from vpsops.core.changes import approvals
from vpsops.core.changes.model import State
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.config import local_identity
from vpsops.core.config.settings import Settings
from vpsops.core.identity.accounts import AccountAnswer, DirectoryUnavailableError, Names
from vpsops.core.identity.actors import Actor, ActorKind, Approvers, Origin
from vpsops.core.policy.decision import Decision, Ruling

CLI = Origin("cli")
LOCAL = Actor(ActorKind.PERSON, "local:ann", "ann", "local:ann")
MAILED = Actor(ActorKind.PERSON, "ann@example.com", "ann@example.com", "ann@example.com")
UNKNOWN = Actor(ActorKind.PERSON, "local:", "", "")
SCRIPT = Actor(ActorKind.AGENT, "cli:ci-1", "vpsops on ci-1", "")
KNOWN = replace(MAILED, account="U0ANN")


class OneAnswerDirectory:
    """Has the same answer for all names."""

    def __init__(self, answer: AccountAnswer | DirectoryUnavailableError) -> None:
        self.answer = answer

    async def find(self, names: Names) -> AccountAnswer:
        assert names
        if isinstance(self.answer, DirectoryUnavailableError):
            raise self.answer
        return self.answer


async def test_the_person_at_a_terminal_is_looked_up_like_an_agents_human() -> None:
    """By e-mail address; a local user has none, and a person in Slack needs no look-up."""
    directory = OneAnswerDirectory(AccountAnswer("U0ANN"))
    assert (await identify(directory, MAILED, CLI, "VPSOPS_ACTOR")).actor.account == "U0ANN"
    assert (await identify(directory, LOCAL, CLI, "VPSOPS_ACTOR")).actor.account == ""
    assert (await identify(directory, MAILED, SLACK, "")).actor.account == ""
    none = await identify(OneAnswerDirectory(AccountAnswer(problem="that is no account")), MAILED, CLI, "VPSOPS_ACTOR")
    assert none.refusal is not None
    assert "The person at this terminal is ann@example.com, as VPSOPS_ACTOR says" in none.refusal.reason


@pytest.mark.requirement("terminal-identity")
@pytest.mark.parametrize(
    ("actor", "slack", "text"),
    [
        (LOCAL, False, ""),
        (LOCAL, True, "is no account there"),
        (MAILED, True, "is no account there"),
        (KNOWN, True, ""),
        (UNKNOWN, False, "is not known"),
        (UNKNOWN, True, "is not known"),
        (SCRIPT, False, "is not known"),
        (replace(SCRIPT, human="local:ci"), False, ""),
        (replace(SCRIPT, human="local:ci"), True, "is no account there"),
        (replace(SCRIPT, human="ann@example.com", account="U0ANN"), True, ""),
    ],
)
def test_who_may_change_anything_from_a_terminal(actor: Actor, text: str, *, slack: bool) -> None:
    """No one without a name, and where people decide in Slack no one without an account there."""
    refusal = terminal_refusal(IdentifiedActor(actor), CLI, slack=slack)
    assert (refusal.reason if refusal is not None else "").count(text) == 1 if text else refusal is None
    assert terminal_refusal(IdentifiedActor(actor), SLACK, slack=slack) is None


def test_a_directory_that_is_away_is_no_answer() -> None:
    """The refusal says what to start."""
    away = DirectoryUnavailableError("No Slack bot is running.", hint="Start it.")
    refusal = terminal_refusal(IdentifiedActor(MAILED, unknown=away), CLI, slack=True)
    assert refusal is not None
    assert "No Slack bot is running." in refusal.reason
    assert refusal.hint == "Start it."


@pytest.mark.parametrize(
    ("decision", "actor", "text"),
    [
        (Decision.APPROVE, LOCAL, "The human at this terminal"),
        (Decision.APPROVE, MAILED, "No directory of accounts can be asked"),
        (Decision.APPROVE, KNOWN, ""),
        (Decision.ALLOW, LOCAL, ""),
        (Decision.CONFIRM, LOCAL, "a rule with origin"),
    ],
)
def test_an_approval_needs_to_know_whose_request_it_is(decision: Decision, actor: Actor, text: str) -> None:
    """A person's own name at a terminal proves nothing, so that they could approve their own request in Slack."""
    refusal = refusal_of(Ruling(decision), IdentifiedActor(actor), CLI, can_confirm=False)
    assert text in f"{refusal.reason} {refusal.hint}" if refusal is not None else not text


@pytest.mark.requirement("terminal-identity")
def test_no_vote_counts_on_a_terminals_change_without_an_account() -> None:
    """However it came to be held; the asker's own account never votes."""
    ruling = Ruling(Decision.APPROVE, votes=1, approvers=Approvers(groups=("S_OPS",)))
    held = change("stop", State.HELD, actor=LOCAL, origin=CLI, ruling=ruling)
    with pytest.raises(NotAllowedError, match="account behind ann was not known"):
        approvals.check(held, VOTERS[0])
    approvals.check(replace(held, actor=KNOWN), VOTERS[0])
    own = Actor(ActorKind.PERSON, "U0ANN", "ann", "U0ANN", groups=("S_OPS",), account="U0ANN")
    with pytest.raises(NotAllowedError, match="You asked for this change"):
        approvals.check(replace(held, actor=KNOWN), own)
    approvals.check(replace(held, actor=ALICE, origin=SLACK), VOTERS[0])
    with pytest.raises(NotAllowedError):
        approvals.check(replace(held, actor=AGENT, origin=SLACK), VOTERS[0])


def test_a_machine_that_knows_no_user_names_no_human(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number is no name; what is configured counts before the machine's own."""

    def unnamed() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", unnamed)
    assert local_identity.known_human(Settings()) == ""
    assert local_identity.known_human(Settings(actor="ann@example.com")) == "ann@example.com"
