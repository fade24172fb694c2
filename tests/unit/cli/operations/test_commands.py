"""Command lines against a simulated provider, in virtual time: reads, changes, and every awkward way they end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.core.app import open_core
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import AmbiguousServerError, InvalidInputError, UnknownServerError
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.exit_codes import REFUSED
from vpsops.core.console.layout import Style
from vpsops.core.wayscloud.answers.errors import ProviderFaultError
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.serve import SimulatorHandle

KEY = "wayscloud_vps_test1_SECRET"
ALLOWED = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "scripts"
operation = ["reboot", "stop", "create", "delete"]
origin = "cli"
decision = "{decision}"
"""
DELETES = """
[[rule]]
id = "deletes"
actor = "person"
operation = "delete"
decision = "confirm"
destructive_without_approval = true
"""
APPROVED_DELETES = """
[[rule]]
id = "deletes"
operation = "delete"
decision = "approve"
approvers = { groups = ["S0OPS"] }
"""
Make = Callable[..., FakeTerminal]


@pytest.fixture
def terminal(provider: SimulatorHandle, database_url: str, tmp_path: Path) -> Make:
    def make(*typed: str, policy: str = "", human: str = "ann@example.com", **more: object) -> FakeTerminal:
        values = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url, "VPSOPS_DATABASE_URL": database_url}
        values |= {"VPSOPS_ACTOR": human} if human else {}
        if policy:
            (tmp_path / "vpsops.toml").write_text(policy)
            values["VPSOPS_CONFIG"] = str(tmp_path / "vpsops.toml")
        return FakeTerminal(load_settings(values), typed, **more)  # type: ignore[arg-type] # its own fields

    return make


def order(hostname: str) -> Order:
    return Order(hostname, hostname, "vps-4gb-2cpu", "NO", "debian-12")


async def newest(settings: Settings) -> Change:
    async with open_core(settings, front="cli", clock=VirtualClock()) as core:
        return (await core.changes.list(limit=1, scope=OPERATOR))[0]


async def count(settings: Settings) -> int:
    async with open_core(settings, front="cli", clock=VirtualClock()) as core:
        return len(await core.changes.list(scope=OPERATOR))


async def test_servers_are_listed(terminal: Make) -> None:
    """A table on standard output, and nothing else; the same as JSON."""
    screen = terminal()
    assert await screen.run("list") == 0
    assert screen.result.splitlines()[0].startswith("HOSTNAME")
    assert "web01.example.com" in screen.result
    assert screen.err == []
    assert await screen.run("list", "web", "--json") == 0
    assert [item["hostname"] for item in screen.document["servers"]] == ["web01.example.com"]


async def test_all_pages_of_a_list_are_one(provider: SimulatorHandle, terminal: Make) -> None:
    """A fleet of more than one page is listed whole; a page that is asked for is that page."""
    for number in range(130):
        provider.simulator.world.create(order(f"app{number:03}.example.com"))
    screen = terminal()
    assert await screen.run("list", "app", "--json") == 0
    assert len({item["hostname"] for item in screen.document["servers"]}) == 130
    assert await screen.run("list", "app", "--limit", "5", "--json") == 0
    assert len(screen.document["servers"]) == 5


@pytest.mark.requirement("terminal-gate")
async def test_a_person_confirms_what_is_shown(terminal: Make, provider: SimulatorHandle) -> None:
    """The question names server and effect; a yes runs it once, is followed to its end, and is on record."""
    screen = terminal("y")
    assert await screen.run("reboot", "web01", "--because", "kernel update") == 0
    assert screen.asked == ["Reboot web01.example.com? [y/N] "]
    for word in ("web01.example.com", "Connections drop", "kernel update"):
        assert word in screen.shown
    assert screen.result.startswith("Reboot web01.example.com: done.")
    assert provider.simulator.world.counts["reboot"] == 1
    change = await newest(screen.settings)
    assert (change.origin.front, change.actor.human) == ("cli", "ann@example.com")
    assert change.confirmed == "yes typed at a terminal, not verified"


@pytest.mark.parametrize("answer", ["", "n", "ja", "web01"])
async def test_anything_but_yes_is_no(terminal: Make, provider: SimulatorHandle, answer: str) -> None:
    """The change is withdrawn, so that the server is free."""
    screen = terminal(answer)
    assert await screen.run("stop", "web01") == 6
    assert "Nothing was done." in screen.shown
    assert (await newest(screen.settings)).state is State.CANCELLED
    assert provider.simulator.world.counts["stop"] == 0


async def test_yes_answers_the_question_of_the_terminal(terminal: Make, provider: SimulatorHandle) -> None:
    """With `--yes` nothing is asked; what was agreed to is shown all the same."""
    screen = terminal()
    assert await screen.run("stop", "web01", "--yes") == 0
    assert screen.asked == []
    assert "shuts down" in screen.shown
    assert provider.simulator.world.counts["stop"] == 1


@pytest.mark.requirement("terminal-programs")
@pytest.mark.parametrize("words", [("stop", "web01", "--yes"), ("stop", "web01"), ("ask", "stop", "web01")])
async def test_a_program_confirms_nothing(terminal: Make, provider: SimulatorHandle, words: tuple[str, ...]) -> None:
    """Without a person at the terminal, or by `ask`, a change that needs a confirmation is refused."""
    screen = terminal("y", person="ask" in words)
    assert await screen.run(*words) == 6
    assert "Nothing was done." in screen.shown
    assert screen.asked == []
    assert provider.simulator.world.counts["stop"] == 0
    assert await count(screen.settings) == 0


async def test_a_rule_lets_a_program_run(terminal: Make, provider: SimulatorHandle) -> None:
    """What `origin = "cli"` allows runs at once, in this process, to its end; the document says so."""
    screen = terminal(policy=ALLOWED.format(decision="allow"), person=False)
    assert await screen.run("ask", "reboot", "web01", "--json") == 0
    assert (screen.document["outcome"], screen.document["change"]["state"]) == ("done", "succeeded")
    assert provider.simulator.world.counts["reboot"] == 1


async def test_a_denial_of_the_policy(terminal: Make) -> None:
    """Refused, with the rule and its own exit code."""
    screen = terminal("y", policy=ALLOWED.format(decision="deny"))
    assert await screen.run("reboot", "web01", "--json") == 6
    assert screen.document["outcome"] == "refused"
    assert "scripts" in screen.document["hint"]


async def test_a_limit_refuses(terminal: Make) -> None:
    """A protected server is refused by its limit, whoever asks."""
    screen = terminal("y", policy=ALLOWED.format(decision="confirm") + '\n[limits]\nprotected = ["web01"]\n')
    assert await screen.run("reboot", "web01") == 6
    assert "protected" in screen.shown
    assert screen.asked == []


@pytest.mark.requirement("terminal-typed-name")
async def test_what_cannot_be_undone_needs_its_name(terminal: Make, provider: SimulatorHandle) -> None:
    """The full name is typed, or given; another name, or `y`, requests nothing."""
    policy = ALLOWED.format(decision="allow") + DELETES
    for typed in ("y", "web01", "", "db01.example.com"):
        with pytest.raises(InvalidInputError, match="nothing was requested"):
            await terminal(typed, policy=policy).run("delete", "web01")
    screen = terminal(policy=policy)
    with pytest.raises(InvalidInputError, match="nothing was requested"):
        await screen.run("delete", "web01", "--confirm", "web01")
    assert await count(screen.settings) == 0
    screen = terminal("web01.example.com", policy=policy)
    assert await screen.run("delete", "web01") == 0
    assert len(screen.asked) == 1
    assert "web01.example.com" in screen.asked[0]
    assert provider.simulator.world.counts["delete"] == 1


@pytest.mark.requirement("terminal-typed-name")
async def test_a_program_gives_the_name_as_well(terminal: Make, provider: SimulatorHandle) -> None:
    """`ask delete` needs `--confirm` with the full name before people are asked for their approval."""
    policy = ALLOWED.format(decision="allow") + APPROVED_DELETES
    screen = terminal(policy=policy, person=False, human="slack:U0ANN")
    with pytest.raises(InvalidInputError, match=r"--confirm 'web01\.example\.com'"):
        await screen.run("ask", "delete", "web01")
    assert await count(screen.settings) == 0
    assert await screen.run("ask", "delete", "web01", "--confirm", "web01.example.com") == 5
    assert (await newest(screen.settings)).state is State.HELD
    assert provider.simulator.world.counts["delete"] == 0


@pytest.mark.requirement("destructive-approval")
@pytest.mark.parametrize("person", [True, False])
async def test_a_rule_that_allows_everything_deletes_nothing(
    terminal: Make, provider: SimulatorHandle, person: bool
) -> None:
    """Neither a person nor a program: the refusal says that an approval is missing."""
    screen = terminal("web01.example.com", policy=ALLOWED.format(decision="allow"), person=person)
    assert await screen.run("delete", "web01", "--confirm", "web01.example.com") == 6
    assert "What cannot be undone needs an approval" in screen.shown
    assert provider.simulator.world.counts["delete"] == 0
    assert await count(screen.settings) == 0


async def test_an_ambiguous_name_is_a_choice(terminal: Make, provider: SimulatorHandle) -> None:
    """At a terminal one is chosen by its number; elsewhere the candidates are the error."""
    provider.simulator.world.create(order("web02.example.com"))
    await VirtualClock().sleep(30)
    screen = terminal("2", "y")
    assert await screen.run("stop", "web", "--because", "x") == 0
    assert "1  web01.example.com (" in screen.shown
    assert screen.asked[1] == "Stop web02.example.com? [y/N] "
    for answers in ((), ("9",), ("0",), ("x",), ("0019",), ("001" + "0" * 5_000,)):
        with pytest.raises(AmbiguousServerError, match=r"web01\.example\.com.*web02\.example\.com"):
            await terminal(*answers).run("show", "web")
    with pytest.raises(AmbiguousServerError, match=r"web01\.example\.com.*web02\.example\.com"):
        await terminal("1", person=False).run("show", "web")


async def test_an_unknown_name_offers_the_nearest(terminal: Make) -> None:
    """A choice at a terminal, and a hint elsewhere; with --json the error is a document too."""
    screen = terminal("1")
    assert await screen.run("show", "wob01") == 0
    assert "web01.example.com" in screen.result
    program = terminal(person=False)
    with pytest.raises(UnknownServerError, match="Did you mean web01"):
        await program.run("show", "wob01", "--json")
    assert (program.document["outcome"], program.document["exit_code"]) == ("error", 2)


async def test_a_dry_run_requests_nothing(terminal: Make) -> None:
    """What would happen, and who would have to agree."""
    screen = terminal()
    assert await screen.run("stop", "web01", "--dry-run") == 0
    assert "Decided by  ann@example.com, asked here" in screen.shown
    assert "Nothing was requested." in screen.shown
    assert await count(screen.settings) == 0


async def test_the_server_goes_while_it_is_asked_about(terminal: Make, provider: SimulatorHandle) -> None:
    """What was agreed to and is gone by then is not sent: the end says so."""
    screen = terminal("y")
    world = provider.simulator.world

    def remove(text: str) -> None:
        if "Decided by" in text:
            for server in world.servers():
                world.remove(server)

    screen.on_note = remove
    assert await screen.run("stop", "web01") in {6, 7}
    assert world.counts["stop"] == 0


async def test_the_provider_is_down(terminal: Make, provider: SimulatorHandle) -> None:
    """A failure of the provider is its own exit code, by the error; with --json a document too."""
    provider.simulator.faults.add(faults.parse({"kind": "status", "status": 503, "match": {"operation": "list"}}))
    screen = terminal(person=False)
    with pytest.raises(ProviderFaultError):
        await screen.run("list", "--json")
    assert (screen.document["outcome"], screen.document["exit_code"]) == ("error", 4)


async def test_interrupted_at_the_question(terminal: Make) -> None:
    """Ctrl-C at the question withdraws what no one else is asked about; at a typed name nothing was requested."""
    policy = ALLOWED.format(decision="confirm") + DELETES
    screen = terminal("^C", policy=policy)
    assert await screen.run("stop", "web01") == 130
    assert (await newest(screen.settings)).state is State.CANCELLED
    other = terminal("^C", policy=policy)
    assert await other.run("delete", "web01") == 130
    assert "Nothing was requested." in other.shown


@pytest.mark.requirement("terminal-secrets")
async def test_a_secret_is_for_a_person_at_a_terminal(terminal: Make, provider: SimulatorHandle) -> None:
    """Neither a pipe nor a program gets the address of a backup; nothing is asked for then."""
    for screen, words in (
        (terminal(private=False), ()),
        (terminal(), ("--json",)),
        (terminal(person=False), ()),
        (terminal(person=False), ("--reveal",)),
    ):
        assert await screen.run("backup-download", "web01", "some-backup", *words) == 6
        assert "secret" in screen.shown
    assert provider.simulator.journal.entries(operation="download_backup") == []


async def test_a_narrow_terminal(terminal: Make) -> None:
    """The list fits, and says what it leaves out."""
    screen = terminal(style=Style(40))
    assert await screen.run("list") == 0
    assert max(map(len, screen.result.splitlines())) <= 60
    assert "Too narrow for" in screen.result


async def test_the_trail_has_the_request(terminal: Make) -> None:
    """Who asked, from where, and for whom, as for any other front end."""
    screen = terminal("y")
    await screen.run("stop", "web01")
    async with open_core(screen.settings, front="cli", clock=VirtualClock()) as core:
        records = await database_of(core).read(chain.read)
    text = json.dumps([record.body for record in records])
    assert '"origin": "cli"' in text
    assert "ann@example.com" in text


async def test_a_list_without_a_match_says_so(terminal: Make) -> None:
    """There are servers, and none with that label."""
    own = terminal()
    assert await own.run("list", "label:team=unknown") == 0
    assert own.result == "No servers match.\n"


async def test_a_policy_that_differs_is_reported_once(terminal: Make) -> None:
    """A read has its result and one remark in words, a change its refusal; neither has a line of the log."""
    first = terminal(policy=ALLOWED.format(decision="allow"))
    assert await first.run("list") == 0
    assert not first.err
    other = terminal(policy=ALLOWED.format(decision="confirm"))
    with structlog.testing.capture_logs() as logs:
        assert await other.run("list") == 0
        assert "web01" in other.result
        assert len(other.err) == 1
        assert other.err[0].startswith("This process was started with another policy")
        assert await other.run("reboot", "web01") == REFUSED
        assert other.shown.count("This process was started with another policy") == 1
    assert {line["log_level"] for line in logs if line["event"] == "policy_differs"} <= {"info"}


async def test_a_made_server_reads_as_one_that_is_shown(terminal: Make) -> None:
    """Its figures have their units, its moments their zone; labels that it has not are left out."""
    own = terminal("y")
    assert await own.run("create", "new01.example.com", "vps-2gb-1cpu", "oslo", "debian-12") == 0
    facts = {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in own.result.splitlines() if "  " in line}
    assert facts["Memory"] == "2 GB"
    assert facts["Monthly price"] == "99"
    assert facts["Created at"].endswith(" UTC")
    assert not {"Labels", "Tags"} & set(facts)
