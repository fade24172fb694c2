"""What becomes of a request for a plan: which servers are in it, who decides, and why it is refused."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.core.harness import AGENT, ALICE, Setup
from tests.unit.core.plans.plan_stage import Planner, planned, staged
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Done, Held, Refused
from vpsops.core.changes.scope import OPERATOR, Scope, ServerFilter
from vpsops.core.common.errors import InvalidInputError, UnknownChangeError
from vpsops.core.limits.model import Limits
from vpsops.core.plans.model import MemberState, digest_of_members
from vpsops.core.plans.strictness import part_rulings
from vpsops.core.policy import parse_policy
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.schedule.model import LaterRequest
from vpsops.playground.wayscloud.hardware.model import ServerState
from vpsops.playground.wayscloud.serve import SimulatorHandle

STRICT = """
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
id = "databases"
server = ["db*"]
risk = ["change", "disruptive"]
decision = "approve"
votes = 2
approvers = { people = ["U7", "U8", "U9"] }

[[rule]]
id = "mail"
server = ["mail*"]
risk = ["change", "disruptive"]
decision = "approve"
approvers = { people = ["U8"] }

[[rule]]
id = "vault"
server = ["vault*"]
risk = ["change", "disruptive"]
decision = "deny"
reason = "The vault is changed by hand."

[[rule]]
id = "secret"
server = ["hidden*"]
decision = "deny"
"""


@pytest.fixture
async def planner(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Planner]:
    setup = Setup(policy=parse_policy(STRICT, "vpsops.toml"))
    async with staged(database_url, provider, setup) as stage:
        yield Planner(stage)


def facts_of(outcome: object) -> dict[str, str]:
    assert isinstance(outcome, Held), outcome
    return {fact.label: fact.value for fact in outcome.change.facts}


@pytest.mark.requirement("plan-strictest")
async def test_the_strictest_rule_over_all_members_decides(planner: Planner) -> None:
    """One database among three servers makes it two votes; each rule's approvers have to be met."""
    for name in ("app001.example.com", "db001.example.com", "mail001.example.com"):
        planner.stage.server(name)
    change = await planner.held("app001", "db001", "mail001")
    assert (change.ruling.decision, change.ruling.votes) == (Decision.APPROVE, 2)
    assert [each.people for each in change.ruling.requirements] == [("U7", "U8", "U9"), ("U8",)]
    assert set(change.ruling.rules) == {"databases", "mail", "people"}


@pytest.mark.requirement("plan-strictest")
async def test_a_denied_member_refuses_the_whole_by_name_and_offers_the_rest(planner: Planner) -> None:
    """Nothing of the plan is done; the refusal names the server and says what to ask for."""
    for name in ("app001.example.com", "vault001.example.com", "app002.example.com"):
        planner.stage.server(name)
    outcome = await planner.submit("app*", "vault*")
    assert isinstance(outcome, Refused)
    assert "The vault is changed by hand." in outcome.reason
    assert "vault001.example.com, so none of the plan was done" in outcome.reason
    assert "reboot app001.example.com app002.example.com" in outcome.hint
    assert await planner.stage.changes.list(scope=OPERATOR) == []


async def test_a_server_that_may_not_be_read_is_not_named(planner: Planner) -> None:
    """A pattern over it is silent about it: neither a member nor left out."""
    planner.add_servers(1)
    planner.stage.server("hidden001.example.com")
    outcome = await planner.submit("*00?.example.com")
    assert "hidden" not in str(outcome)
    assert facts_of(outcome)["Servers"] == "app001.example.com"
    nothing = await planner.submit("hidden*")
    assert isinstance(nothing, Refused)
    assert "No server matches hidden*." in nothing.reason


async def test_what_is_stopped_already_is_left_out_and_said(planner: Planner) -> None:
    """A stopped server is not rebooted; with nobody left nothing is held."""
    planner.stage.server("app001.example.com")
    planner.stage.server("app002.example.com", ServerState.STOPPED)
    facts = facts_of(await planner.submit("app*"))
    assert facts["Left out"] == "app002.example.com is stopped"
    nothing = await planner.submit("app002", "app002.example.com")
    assert isinstance(nothing, Refused)
    assert nothing.reason == "No server is left to reboot: app002.example.com is stopped. Nothing was done."


async def test_filters_narrow_as_a_list_of_servers_does(planner: Planner) -> None:
    """`state:stopped` selects what `/vps list state:stopped` lists."""
    planner.stage.server("app001.example.com")
    planner.stage.server("app002.example.com", ServerState.STOPPED)
    facts = facts_of(await planner.submit("app*", "state:stopped", operation="start"))
    assert facts["Servers"] == "app002.example.com"


async def test_a_label_selects_servers_that_carry_it(planner: Planner) -> None:
    """Labels are read server by server, as the list does not show them."""
    world = planner.stage.provider.simulator.world
    for number, name in enumerate(planner.add_servers(3)):
        made = next(server for server in world.servers() if server.hostname == name)
        world.override(made, None, None, None, labels={"team": "shop" if number else "ops"})
    facts = facts_of(await planner.submit("app*", "label:team=shop"))
    assert facts["Servers"] == "app002.example.com, app003.example.com"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("nowhere",), "There is no server called 'nowhere'"),
        (("state:stopped", "state:running"), "state: is there twice"),
        (("web*;rm",), "no pattern of hostnames"),
    ],
)
async def test_words_that_mean_nothing_are_refused(planner: Planner, words: tuple[str, ...], text: str) -> None:
    """A name that is no server's is never left out in silence."""
    planner.add_servers(1)
    with pytest.raises(InvalidInputError, match=text.replace("(", r"\(")):
        await planner.submit("app001", *words)


@pytest.mark.parametrize("operation", ["delete", "resize", "snapshot_rollback", "create", "list", "rename"])
async def test_what_destroys_costs_or_makes_is_asked_for_one_at_a_time(planner: Planner, operation: str) -> None:
    """Decision 0044: no plan deletes, rolls back, makes or resizes servers."""
    planner.add_servers(2)
    with pytest.raises(InvalidInputError, match="takes one server at a time"):
        await planner.submit("app*", operation=operation)


@pytest.mark.parametrize(
    "options",
    [{"at_once": 0}, {"at_once": 11}, {"stop_after": 0}, {"stop_after": 21}, {"pause": -1}, {"pause": 3601}]
    + [{"probe": text} for text in ("tcp:0", "tcp:65536", "tcp:22/x", "udp:53", "http://10.0.0.1/", "http:80/ x")],
)
async def test_options_out_of_bounds_are_refused(planner: Planner, options: dict[str, object]) -> None:
    """Bounds are checked before anything is read."""
    with pytest.raises(InvalidInputError):
        await planner.submit("app*", **options)


async def test_more_than_max_many_is_refused_with_the_number(database_url: str, provider: SimulatorHandle) -> None:
    """Twenty is the limit by default, and 21 say so; the servers are not even read."""
    async with staged(database_url, provider) as stage:
        planner = Planner(stage)
        planner.add_servers(21)
        read = stage.asked("get")
        outcome = await planner.submit("app*")
        assert isinstance(outcome, Refused)
        assert outcome.reason.startswith("The limit max_many (20) forbids it: 21 servers match.")
        assert stage.asked("get") == read
        assert isinstance(await planner.submit("app00*", "app01*", "app020"), Held)


async def test_protected_servers_are_left_out_by_the_limit(database_url: str, provider: SimulatorHandle) -> None:
    """Limits hold for members as for any change."""
    async with staged(database_url, provider, Setup(limits=Limits(protected=frozenset({"app002"})))) as stage:
        planner = Planner(stage)
        planner.add_servers(3)
        facts = facts_of(await planner.submit("app*"))
        assert facts["Left out"] == "app002.example.com: protected (the limit protected)"
        assert facts["Servers"] == "app001.example.com, app003.example.com"


@pytest.mark.requirement("plan-limits")
async def test_members_count_against_the_changes_of_an_hour(database_url: str, provider: SimulatorHandle) -> None:
    """Three plans of four are twelve changes: splitting one does not get around the limit."""
    async with staged(database_url, provider, Setup(limits=Limits(max_changes_per_hour=10))) as stage:
        planner = Planner(stage)
        planner.add_servers(12)
        too_many = await planner.submit("app*", actor=AGENT)
        assert isinstance(too_many, Refused)
        assert "max_changes_per_hour (10)" in too_many.reason
        for first in (1, 5):
            names = [f"app{number:03}" for number in range(first, first + 4)]
            assert isinstance(await planner.submit(*names, actor=AGENT), Held)
        third = await planner.submit("app009", "app010", "app011", "app012", actor=AGENT)
        assert isinstance(third, Refused)
        assert isinstance(await planner.submit("app009", "app010", actor=AGENT), Held)
        with pytest.raises(AssertionError, match="max_changes_per_hour"):
            await stage.ask("reboot", AGENT, server="app011")


async def test_members_that_began_count_once(database_url: str, provider: SimulatorHandle) -> None:
    """A plan of four that ran is four changes of the hour, neither four more nor five."""
    async with staged(database_url, provider, Setup(limits=Limits(max_changes_per_hour=6))) as stage:
        planner = Planner(stage)
        planner.add_servers(7)
        plan = await planner.done("app001", "app002", "app003", "app004")
        assert plan.state is State.SUCCEEDED, plan.note
        assert isinstance(await planner.submit("app005", "app006"), Held)
        refused = await planner.submit("app007", "app001")
        assert isinstance(refused, Refused)


async def test_the_same_key_is_the_same_plan(planner: Planner) -> None:
    """A request that arrives twice makes one plan."""
    planner.add_servers(2)
    first = await planner.held("app*", key="K1")
    assert (await planner.held("app*", key="K1")).id == first.id


@pytest.mark.requirement("plan-digest")
async def test_the_digest_covers_every_member(planner: Planner) -> None:
    """Another state of one server is another digest of the plan."""
    planner.add_servers(2)
    plan = await planner.held("app*")
    members = list(await planner.members(plan.id))
    assert plan.arguments["members"] == digest_of_members(members)
    other = [members[0], replace(members[1], digest="0" * 64)]
    assert digest_of_members(other) != plan.arguments["members"]
    assert digest_of_members(members[::-1]) != plan.arguments["members"]
    assert [member.state for member in members] == [MemberState.WAITING] * 2


async def test_a_dry_run_stores_nothing_and_says_the_same(planner: Planner) -> None:
    """It shows the servers, the rule and the digest that the request itself would have."""
    planner.add_servers(2)
    dry = await planner.stage.gate.dry_run_plan(planned("app*"), scope=OPERATOR)
    assert dry.refusal is None
    assert await planner.stage.changes.list(scope=OPERATOR) == []
    held = await planner.held("app*")
    assert (dry.change.digest, dry.change.facts) == (held.digest, held.facts)
    assert (await planner.stage.gate.dry_run_plan(planned("nix*"), scope=OPERATOR)).refusal is not None


async def test_a_dry_run_says_what_is_decided_about_which_servers(planner: Planner) -> None:
    """Servers that are decided alike stand together; none decides the whole where all are."""
    planner.add_servers(2)
    dry = await planner.stage.gate.dry_run_plan(planned("app*"), scope=OPERATOR)
    (alike,) = dry.parts
    assert alike.part == "app001.example.com, app002.example.com"
    assert (alike.ruling.decision, alike.decides) == (Decision.CONFIRM, False)
    assert {server.hostname for server in dry.servers} == {"app001.example.com", "app002.example.com"}


def test_the_strictest_part_decides_where_parts_differ() -> None:
    """Of several rulings about a part the strictest counts; a part without a rule is said to be so."""
    mild, strict = (Ruling(decision, rules=(decision.value,)) for decision in (Decision.ALLOW, Decision.CONFIRM))
    parts = part_rulings([("a", mild), ("b", mild), ("a", strict), ("c", Ruling(Decision.DENY))])
    assert [(part.part, part.decides) for part in parts] == [("a", False), ("b", False), ("c", True)]
    assert parts[0].words == "a: confirm by the rules confirm, allow"
    assert parts[2].words == "c: deny as no rule matches (decides the whole)"
    assert part_rulings([]) == ()


async def test_a_plan_is_seen_by_those_who_see_all_its_servers(planner: Planner) -> None:
    """For a caller that sees some servers, only plans about these exist."""
    planner.add_servers(2)
    plan = await planner.held("app*")
    sees_all = Scope(servers=ServerFilter((ServerPatterns.of(["app*"]),)))
    sees_some = Scope(servers=ServerFilter((ServerPatterns.of(["app001*"]),)))
    assert (await planner.stage.changes.get(plan.id, scope=sees_all)).id == plan.id
    with pytest.raises(UnknownChangeError):
        await planner.stage.changes.get(plan.id, scope=sees_some)
    narrow = await planner.stage.gate.submit_plan(planned("app*"), scope=sees_some)
    assert facts_of(narrow)["Servers"] == "app001.example.com"


async def test_a_plan_that_is_allowed_runs_at_once(database_url: str, provider: SimulatorHandle) -> None:
    """Without a question the members run as well, each on record as the plan's."""
    rule = '[[rule]]\nid = "all"\ndecision = "allow"\n'
    async with staged(database_url, provider, Setup(policy=parse_policy(rule, "vpsops.toml"))) as stage:
        planner = Planner(stage)
        planner.add_servers(2)
        outcome = await planner.submit("app*")
        assert isinstance(outcome, Done)
        assert outcome.change is not None
        plan = await planner.end(outcome.change.id)
        assert plan.state is State.SUCCEEDED, plan.note


async def test_a_plan_may_wait_for_its_time(planner: Planner) -> None:
    """`in 2m` holds for a plan as for one server: agreed to now, begun then, and no server is held until then."""
    planner.add_servers(2)
    asked = planned("app*")
    later = LaterRequest("in 2m", "UTC")
    outcome = await planner.stage.gate.submit_plan(
        replace(asked, request=replace(asked.request, later=later)), scope=OPERATOR
    )
    assert isinstance(outcome, Held)
    plan = await planner.stage.gate.confirm(outcome.change.id, ALICE, outcome.change.digest, scope=OPERATOR)
    assert plan.state is State.SCHEDULED
    single = await planner.stage.done("reboot", server="app001")
    assert single.state is State.SUCCEEDED
    await planner.stage.clock.sleep(120)
    plan = await planner.end(plan.id)
    assert plan.state is State.SUCCEEDED, plan.note
    begun = min(change.created_at for change in await planner.changes_of(plan.id))
    assert begun >= outcome.change.created_at + timedelta(minutes=2)
