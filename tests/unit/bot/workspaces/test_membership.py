"""Eligibility by Slack's answers: each kind of account, how long an answer is cached, what stays unread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.core.sample import change
from vpsops.bot.context.bot_context import CatalogueCache, catalogue, known_actor, request_of, submit
from vpsops.bot.features.votes import cast, settle, withdraw
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.slack_api.client import ReplyTarget, SlackError
from vpsops.bot.views.modals import OrderOptions
from vpsops.bot.workspaces.membership import ForeignAccountError, Membership, MembershipUnreadableError
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Done, Outcome, Refused
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.policy.decision import Decision, Ruling

ANN = {"id": "U0ANN", "team_id": "T1", "name": "ann", "profile": {"email": "Ann@Example.com"}}
ASKING = Requester("U0ANN", "ann", "T1", ReplyTarget("U0ANN", "C0OPS"), "k1")
AGENT = Actor(ActorKind.AGENT, "mcp:x", "x", "ben@example.com")
GROUP = Approvers(groups=("S0WEB",))


@dataclass
class MembershipAnswers:
    """A Slack double: each method's answer, and the recorded calls."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def get(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer, or raise what stands there."""
        self.asked.append(method)
        answer = self.answers.get(method, SlackError(method, "missing_scope"))
        answer = answer(params) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


@pytest.fixture
def slack() -> MembershipAnswers:
    return MembershipAnswers(
        {
            "auth.test": {"team_id": "T1", "bot_id": "B1"},
            "bots.info": {"bot": {"app_id": "A1"}},
            "users.info": {"user": ANN},
            "usergroups.users.list": {"users": ["U0ANN"]},
            "usergroups.list": {"usergroups": [{"id": "S0WEB"}]},
            "conversations.members": {"members": ["U0ANN"]},
            "conversations.info": {"channel": {"is_private": True}},
            "users.lookupByEmail": SlackError("users.lookupByEmail", "users_not_found"),
        }
    )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def membership(slack: MembershipAnswers, clock: FakeClock) -> Membership:
    stub: Any = slack
    return Membership(stub, clock)


@pytest.mark.parametrize(
    "word",
    [
        "deleted",
        "is_bot",
        "is_workflow_bot",
        "is_connector_bot",
        "is_invited_user",
        "is_restricted",
        "is_ultra_restricted",
        "is_stranger",
    ],
)
@pytest.mark.requirement("slack-guests-look")
async def test_less_than_a_member_neither_alters_nor_decides(
    slack: MembershipAnswers, membership: Membership, word: str
) -> None:
    """Guests of both kinds, strangers, bots and closed accounts: no request is made of theirs, and no vote."""
    slack.answers["users.info"] = {"user": {**ANN, word: True}}
    parts: Any = parts_of(membership)
    with pytest.raises(NotAllowedError):
        await membership.require_full_member("U0ANN")
    with pytest.raises(NotAllowedError):
        await membership.verify_approver("U0ANN", GROUP)
    with pytest.raises(NotAllowedError):
        await request_of(parts, ASKING, "stop", {"server": "web01"})
    with pytest.raises(NotAllowedError):
        await cast(parts, ASKING, held(), Verdict.APPROVE, "d" * 64)
    assert parts.core.gate.calls == []
    assert (await request_of(parts, ASKING, "list", {})).operation == "list"  # they may read


async def test_a_member_is_known_by_name_and_address(slack: MembershipAnswers, membership: Membership) -> None:
    """As Slack reports them, if it does."""
    member = await membership.require_full_member("U0ANN")
    assert (member.name, member.email) == ("ann", "Ann@Example.com")
    slack.answers["users.info"] = {"user": {**ANN, "profile": None}}
    assert (await membership.require_full_member("U0ANN")).email == ""
    assert await membership.read_email("U0ANN") == ""


@pytest.mark.parametrize("answer", [{"user": {**ANN, "id": "U0BEN"}}, {"user": {}}, {}])
async def test_an_answer_about_somebody_else_is_none(
    slack: MembershipAnswers, membership: Membership, answer: Any
) -> None:
    """It admits no person."""
    slack.answers["users.info"] = answer
    for attempt in (
        membership.require_full_member("U0ANN"),
        membership.admit("U0ANN"),
        membership.verify_approver("U0ANN", GROUP),
    ):
        with pytest.raises(MembershipUnreadableError):
            await attempt
    assert await membership.read_email("U0ANN") == ""


async def test_another_companys_account_is_foreign(slack: MembershipAnswers, membership: Membership) -> None:
    """Whatever else it claims."""
    slack.answers["users.info"] = {"user": {**ANN, "team_id": "T9"}}
    with pytest.raises(ForeignAccountError):
        await membership.admit("U0ANN")


@pytest.mark.parametrize(("seconds", "reads"), [(0, 1), (30, 1), (30.5, 2), (9e6, 2)])
async def test_what_is_shown_is_half_a_minute_old_at_most(
    slack: MembershipAnswers, membership: Membership, clock: FakeClock, seconds: float, reads: int
) -> None:
    """Groups, addresses and who was let in are read again after that."""
    for _ in range(2):
        assert await membership.read_groups("U0ANN", ["S0WEB", "C0OPS"]) == ("S0WEB", "C0OPS")
        assert await membership.read_email("U0ANN") == "ann@example.com"
        await membership.admit("U0ANN")
        clock.advance(seconds)
    assert slack.asked.count("usergroups.users.list") == reads
    assert slack.asked.count("conversations.members") == reads
    assert slack.asked.count("users.info") == 2 * reads


async def test_a_decision_reads_anew(slack: MembershipAnswers, membership: Membership) -> None:
    """A person who left the group a moment ago is not in it; what was cached for display does not count."""
    assert await membership.read_groups("U0ANN", ["S0WEB"]) == ("S0WEB",)
    assert (await membership.verify_approver("U0ANN", GROUP)).groups == ("S0WEB",)
    slack.answers["usergroups.users.list"] = {"users": []}
    assert (await membership.verify_approver("U0ANN", GROUP)).groups == ()
    assert await membership.read_groups("U0ANN", ["S0WEB"], fresh=True) == ()
    slack.answers["users.info"] = {"user": {**ANN, "profile": {"email": "new@example.com"}}}
    await membership.read_email("U0ANN")
    assert await membership.read_email("U0ANN", fresh=True) == "new@example.com"


async def test_what_cannot_be_read_decides_nothing(slack: MembershipAnswers, membership: Membership) -> None:
    """One unreadable source among several does not affect a person found in another."""
    both = Approvers(groups=("S0WEB",), channels=("C0OPS",))
    slack.answers["usergroups.users.list"] = SlackError("x", "missing_scope")
    assert (await membership.verify_approver("U0ANN", both)).groups == ("C0OPS",)
    slack.answers["conversations.members"] = {"members": []}
    with pytest.raises(MembershipUnreadableError, match="user group S0WEB"):
        await membership.verify_approver("U0ANN", both)
    named = replace(both, people=("u0ann",))
    assert (await membership.verify_approver("U0ANN", named)).evidence == "named in the rule"
    assert await membership.read_groups("U0ANN", ["S0WEB", "C0OPS"], fresh=True) is None
    assert await membership.read_groups("U0ANN", ["web-team"]) is None


@pytest.mark.parametrize(("pages", "readable"), [(1, True), (100, True), (101, False)])
async def test_a_channel_is_read_to_its_hundredth_page(
    slack: MembershipAnswers, membership: Membership, pages: int, *, readable: bool
) -> None:
    """In a larger channel members cannot be distinguished from others."""

    def page(params: Mapping[str, Any]) -> dict[str, Any]:
        number = int(params.get("cursor", 1))
        more = {"next_cursor": str(number + 1)} if number < pages else {}
        return {"members": ["U0ANN"] if number == pages else ["U0ZOE"], "response_metadata": more}

    slack.answers["conversations.members"] = page
    assert await membership.read_groups("U0ANN", ["C0OPS"]) == (("C0OPS",) if readable else None)


class MembershipGate:
    """A gate that records votes, settlements and withdrawals."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Actor, str]] = []

    async def vote(self, _: str, voter: Actor, *__: Any, evidence: str = "", **___: Any) -> None:
        self.calls.append(("vote", voter, evidence))

    async def resolve(self, _: str, actor: Actor, *, evidence: str, **__: Any) -> None:
        self.calls.append(("resolve", actor, evidence))

    async def cancel(self, _: str, actor: Actor, **__: Any) -> None:
        self.calls.append(("cancel", actor, ""))


class UnchangedRulings:
    """Changes under the policy that they were asked for under."""

    async def for_settlement(self, changes: Sequence[Change]) -> Sequence[Change]:
        return changes


def parts_of(membership: Membership) -> Any:
    """Return as much of a bot's parts as a decision takes."""
    policy = SimpleNamespace(by_email=True, groups=("S0WEB",))
    stewards = Approvers(channels=("C0OPS",))
    changes = UnchangedRulings()
    core = SimpleNamespace(gate=MembershipGate(), changes=changes, policy=policy, stewards=stewards, scope=OPERATOR)
    return SimpleNamespace(core=core, membership=membership)


def held(actor: Actor = AGENT, approvers: Approvers = GROUP) -> Change:
    """Return a change that waits for votes."""
    return change(state=State.HELD, actor=actor, ruling=Ruling(Decision.APPROVE, votes=1, approvers=approvers))


async def test_an_askers_vote_goes_to_the_gate_without_a_question_to_slack(
    slack: MembershipAnswers, membership: Membership
) -> None:
    """The asker's refusal needs no read: it is on record also while Slack is away."""
    slack.answers.clear()
    parts = parts_of(membership)
    await cast(parts, ASKING, held(Actor(ActorKind.AGENT, "mcp:x", "x", "slack:U0ANN")), Verdict.APPROVE, "d" * 64)
    ((kind, voter, _),) = parts.core.gate.calls
    assert (kind, voter.id, voter.groups, slack.asked) == ("vote", "U0ANN", (), [])


async def test_a_vote_carries_what_was_read_at_the_click(slack: MembershipAnswers, membership: Membership) -> None:
    """The groups in which the person was found; the agent's human was resolved before."""
    parts = parts_of(membership)
    await cast(parts, ASKING, held(), Verdict.APPROVE, "d" * 64)
    ((_, voter, evidence),) = parts.core.gate.calls
    assert (voter.groups, voter.aliases) == (("S0WEB",), ())
    assert evidence == "member of user group S0WEB (1 people, read just now)"
    assert slack.asked.count("users.info") == 1  # no address is requested where no rule names one


@pytest.mark.parametrize(("named", "aliases"), [("ANN@example.com", ("ann@example.com",)), ("zoe@example.com", ())])
async def test_a_rule_may_name_a_voter_by_address(membership: Membership, named: str, aliases: tuple[str, ...]) -> None:
    """The address matches in any case, and no other does."""
    parts = parts_of(membership)
    await cast(parts, ASKING, held(approvers=Approvers(people=(named,))), Verdict.APPROVE, "d" * 64)
    ((_, voter, evidence),) = parts.core.gate.calls
    assert (voter.aliases, evidence) == (aliases, "named in the rule by e-mail address")


async def test_the_asker_settles_and_withdraws_by_their_account(
    slack: MembershipAnswers, membership: Membership
) -> None:
    """No group is read for the human behind the agent, only whether they are a full member, and that for a cancel not.

    Any other person settles by what is read of them.
    """
    parts, own = parts_of(membership), held(replace(AGENT, account="U0ANN"))
    await settle(parts, ASKING, own, happened=True)
    await withdraw(parts, ASKING, own)
    assert [(kind, actor.account, evidence) for kind, actor, evidence in parts.core.gate.calls] == [
        ("resolve", "U0ANN", "the human who asked"),
        ("cancel", "U0ANN", ""),
    ]
    assert slack.asked == ["auth.test", "bots.info", "users.info"]
    await settle(parts, ASKING, held(replace(AGENT, account="U0BEN")), happened=True)
    assert parts.core.gate.calls[2][1].groups == ("S0WEB",)


async def test_a_person_is_known_with_groups_and_address_where_a_rule_is_about_such(
    slack: MembershipAnswers, membership: Membership
) -> None:
    """The workspace is a group of all its members; nothing is asked where no rule wants it."""
    parts = parts_of(membership)
    actor = await known_actor(parts, ASKING)
    assert (actor.groups, actor.aliases) == (("T1", "S0WEB"), ("ann@example.com",))
    slack.answers["usergroups.users.list"] = SlackError("x", "missing_scope")
    assert (await known_actor(parts, ASKING, fresh=True)).groups == ()
    slack.asked.clear()
    parts.core.policy = SimpleNamespace(by_email=False, groups=())
    assert (await known_actor(parts, ASKING)) == ASKING.actor
    assert slack.asked == []


async def test_the_catalogue_is_for_who_may_read_all_of_it_and_a_minute_old_at_most(
    membership: Membership, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One part that may not be read is enough to refuse; three menus at once are one read."""
    parts = parts_of(membership)
    parts.core.clock, parts.shelf = clock, CatalogueCache()
    allowed, reads = {"plans", "os_templates", "regions"}, list[float]()

    async def read_catalogue(*_: object) -> OrderOptions:
        reads.append(clock.monotonic())
        return OrderOptions()

    monkeypatch.setattr("vpsops.bot.context.bot_context._read_catalogue", read_catalogue)
    parts.core.servers = SimpleNamespace(may_read=lambda request: request.operation in allowed)
    for seconds in (0.0, 60.0, 0.5):
        clock.advance(seconds)
        await catalogue(parts, ASKING)
        await catalogue(parts, ASKING)
    assert reads == [0.0, 60.5]
    for missing in sorted(allowed):
        allowed.discard(missing)
        with pytest.raises(NotAllowedError, match="does not let you see"):
            await catalogue(parts, ASKING)
        allowed.add(missing)


@pytest.mark.parametrize(("outcome", "turns"), [(Done(), 1), (Done(change=change()), 0), (Refused("no"), 0)])
async def test_a_read_takes_its_turn_after_it_and_nothing_else_does(
    membership: Membership, outcome: Outcome, turns: int
) -> None:
    """Many callers of one shared read do not continue all at once; a request that changes something is not delayed."""
    taken: list[str] = []

    async def slot() -> None:
        taken.append("turn")

    async def decide(_: object, **__: object) -> Outcome:
        return outcome

    parts = parts_of(membership)
    parts.core.gate.submit, parts.ack_scheduler = decide, SimpleNamespace(slot=slot)
    assert await submit(parts, ASKING, "list", {}) is outcome
    assert len(taken) == turns
