"""People of another company in a shared channel: whatever a payload claims, they see and decide nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.adversary.harness import PRIVATE, PRIVATE_SCENE, SHARED_SCENE, AdversaryEnvironment, world
from tests.adversary.people.shapes import COMMANDS, EVENTS, INFOS, INTERACTIONS, reshape
from tests.fakes.slack_bot import message_words
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.playground.slack.protocol.serializers import user_body
from vpsops.playground.slack.workspace.config import COLLEAGUE, connected
from vpsops.playground.slack.workspace.entities import User, View
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.slack.workspace.state import WorkspaceState as Memory

REFUSAL = "Only members of this workspace"


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize("shape", INTERACTIONS)
async def test_their_clicks_decide_nothing(tmp_path: Path, shape: str) -> None:
    """A click on a card in the shared channel is refused in private, in each form that a payload may have."""
    async with world(tmp_path) as here:
        reshape(here.stage.slack, INTERACTIONS[shape])
        for count, action in enumerate(("vps:approve", "vps:deny", "vps:approve_note"), 1):
            for person in ("eve", "ole", "fay"):
                await here.stage.slack.click(person, here.card, action)
            change = await here.held()
            assert (change.state, change.votes) == (State.HELD, ()), action
            assert here.stage.slack.modal("eve") is None, action
            assert _refusals(here) == count, action


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize("info", INFOS)
async def test_what_slack_tells_of_them_is_enough_to_refuse(
    tmp_path: Path, info: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payload that claims the home workspace stands against `users.info`, which returns less than one would wish."""
    payload = user_body

    def body(state: Memory, user: User) -> Json:
        plain = payload(state, user)
        return INFOS[info](plain) if plain["id"] == "U0EVE" else plain

    monkeypatch.setattr("vpsops.playground.slack.api.api_directory.user_body", body)
    async with world(tmp_path) as here:
        reshape(here.stage.slack, INTERACTIONS["both ours"])
        await here.stage.slack.click("eve", here.card, "vps:approve")
        assert (await here.held()).votes == ()


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize("shape", EVENTS)
async def test_they_have_no_home(tmp_path: Path, shape: str) -> None:
    """Opening the app's Home publishes nothing to them, and discloses nothing."""
    async with world(tmp_path) as here:
        reshape(here.stage.slack, EVENTS[shape], "event_callback")
        await here.stage.slack.open_home("eve")
        await here.settled()
        assert here.stage.slack.home("eve") is None
        assert here.private_words("eve") == ""


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize("shape", COMMANDS)
async def test_their_commands_do_nothing(tmp_path: Path, shape: str) -> None:
    """Each command is answered with one sentence; no server is named, nothing is paused, asked for or opened."""
    texts = ("list", "show web01", "help", "pause", "create", "report", "changes", "reboot web01")
    async with world(tmp_path) as here:
        reshape(here.stage.slack, COMMANDS[shape], "slash_commands")
        for count, text in enumerate(texts, 1):
            await here.stage.slack.command("eve", "approvals", "/vps", text)
            await here.settled()
            await _untouched(here)
            assert _refusals(here) == count, text


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize("shape", INTERACTIONS)
async def test_their_shortcuts_open_nothing(tmp_path: Path, shape: str) -> None:
    """Neither the form of a new server nor what servers a message names is shown to them."""
    async with world(tmp_path) as here:
        slack = here.stage.slack
        message = slack.say("alice", "approvals", "web01 hangs again")
        reshape(slack, INTERACTIONS[shape])
        await slack.shortcut("eve", "vps:new_server")
        await slack.message_shortcut("eve", message, "vps:act_on")
        await here.settled()
        await _untouched(here)


def _refusals(here: AdversaryEnvironment) -> int:
    return sum(REFUSAL in message_words(message) for message in here.stage.slack.ephemerals("eve"))


async def _untouched(here: AdversaryEnvironment) -> None:
    assert "web01" not in here.private_words("eve")
    assert REFUSAL in here.private_words("eve")
    assert here.stage.slack.modal("eve") is None
    assert not (await here.core.changes.agents_paused()).paused
    assert [change.id for change in await here.core.changes.list(scope=OPERATOR)] == [here.change]


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize("shape", INTERACTIONS)
async def test_their_forms_and_menus_are_dead(tmp_path: Path, shape: str) -> None:
    """A form that reached one of them offers nothing, and sending it makes nothing."""
    async with world(tmp_path) as here:
        slack = here.stage.slack
        await slack.command("alice", "approvals", "/vps", "create")
        view = await slack.wait_for(lambda: _ready(here))
        assert isinstance(view, View)
        assert (await slack.options("alice", view, "plan", "")).options
        stolen = replace(view, user="U0EVE")
        slack.desk.surfaces.views[view.id] = stolen
        slack.desk.surfaces.stacks["U0EVE"] = [view.id]
        reshape(slack, INTERACTIONS[shape])
        for menu in ("plan", "region", "os_template"):
            assert (await slack.options("eve", stolen, menu, "")).options == []
        payload = slack.payloads.view_submission(slack.desk.state.users["U0EVE"], stolen, _filled())
        await slack.deliver("view_submission", "interactive", payload, {})
        await here.settled()
        assert here.stage.effects("create") == 0
        assert [change.id for change in await here.core.changes.list(scope=OPERATOR)] == [here.change]


def _ready(here: AdversaryEnvironment) -> object:
    view = here.stage.slack.modal("alice")
    return view if view is not None and "Total" in str(view.blocks) else None


def _filled() -> dict[str, object]:
    return {
        "hostname": {"hostname": {"type": "plain_text_input", "value": "evil01.example.com"}},
        "reason": {"reason": {"type": "plain_text_input", "value": None}},
    }


@pytest.mark.requirement("only-this-workspace")
async def test_a_colleague_of_the_organisation_hears_why(tmp_path: Path) -> None:
    """Someone of another workspace of the organisation gets the reason, in private and on Home, and decides nothing."""
    config = connected(replace(PRIVATE, enterprise_id="E0ACME"), "approvals", COLLEAGUE)
    async with world(tmp_path, replace(SHARED_SCENE, workspace=config)) as here:
        await here.stage.slack.click("cole", here.card, "vps:approve")
        await here.stage.slack.open_home("cole")
        assert (await here.held()).votes == ()
        assert "another workspace of your organisation" in here.private_words("cole")
        assert "another workspace of your organisation" in str(here.stage.slack.home("cole"))


@pytest.mark.requirement("only-this-workspace")
async def test_members_of_an_organisations_workspace_decide_from_any_of_its_workspaces(tmp_path: Path) -> None:
    """Bob is in the app's workspace and a sister's; his click names the sister, and Slack lists him in both."""
    users = tuple(
        replace(user, team="T0SISTER", enterprise="E0ACME", teams=("T0SISTER", "T0ACME"))
        if user.name == "bob"
        else user
        for user in PRIVATE.users
    )
    config = replace(PRIVATE, enterprise_id="E0ACME", users=users)
    async with world(tmp_path, replace(SHARED_SCENE, workspace=config)) as here:
        reshape(here.stage.slack, INTERACTIONS["as documented"])
        await here.stage.slack.click("bob", here.card, "vps:approve")
        await here.stage.card("approvals", words="Reboot web01.example.com: done")


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize(
    "forged",
    [
        {"api_app_id": "A0OTHER"},
        {"team": {"id": "T0ELSE"}},
        {"view": {"id": "V1", "type": "home", "app_installed_team_id": "T0ELSE"}},
    ],
)
async def test_what_is_for_another_app_or_installation_is_not_carried_out(
    tmp_path: Path, forged: dict[str, object]
) -> None:
    """A signed click of a full member that names another app, workspace or installation runs nothing."""
    async with world(tmp_path) as here:
        reshape(here.stage.slack, lambda payload: {**payload, **forged})
        await here.stage.slack.click("bob", here.card, "vps:approve")
        assert (await here.held()).votes == ()


@pytest.mark.requirement("only-this-workspace")
async def test_an_app_that_does_not_know_its_workspace_serves_nobody(tmp_path: Path) -> None:
    """While the token's workspace is unknown, no person counts as a member; agents can still be paused."""
    async with world(tmp_path, PRIVATE_SCENE) as here:
        card, change = here.card, here.change
        slack = here.stage.slack
        slack.faults.fail_next("bots.info", 1000, "internal_error")
        async with here.stage.bot() as (bot, core):  # another process, which has to ask
            again = AdversaryEnvironment(here.stage, bot, core, card, change)
            await slack.click("bob", card, "vps:approve")
            assert (await again.held()).votes == ()
            assert "Slack did not return which workspace" in again.private_words("bob")
            await slack.command("bob", "ops", "/vps", "pause")
            await again.settled()
            assert (await core.changes.agents_paused()).paused
