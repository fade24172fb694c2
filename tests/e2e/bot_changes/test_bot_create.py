"""Making a server from Slack: the form, its errors, provisioning, and the notice."""

from dataclasses import replace
from pathlib import Path

from tests.fakes.slack_bot import BotHarness, Scene, message_words, playing, words_of
from tests.fakes.timing import QUICK
from vpsops.playground.slack.workspace.entities import View
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

FILLED = {"plan": "vps-2gb-1cpu", "os_template": "debian-12", "region": "oslo"}
NOTICES = Scene(settings={"VPSOPS_CHANNEL": "C0GENERAL"})
PLANS_SECONDS = 2.0  # of virtual time, until the provider lists its plans
BEFORE_PLANS_SECONDS = 1.5


async def opened(stage: BotHarness, text: str = "create web09.example.com") -> View:
    """Open the form and wait until it can be filled in."""
    await stage.slack.command("alice", "ops", "/vps", text)
    await stage.slack.wait_for(lambda: (view := stage.slack.modal("alice")) and view.callback_id == "vps:create")
    return current(stage)


def current(stage: BotHarness) -> View:
    """Return the form on the screen."""
    view = stage.slack.modal("alice")
    assert view is not None
    return view


def form_words(view: View) -> str:
    """Return all the words on a form."""
    return " ".join(words_of(list(view.blocks)))


async def looked_up(stage: BotHarness, view: View) -> View:
    """Have the menus filled by the app, as a client does when they are opened."""
    for name in FILLED:
        await stage.slack.options("alice", view, name)
    return current(stage)


async def priced(stage: BotHarness, view: View) -> View:
    """Choose a plan and wait for its price."""
    await looked_up(stage, view)
    await stage.slack.select("alice", view, "plan", FILLED["plan"])
    await stage.slack.wait_for(lambda: "Total: 99 NOK a month" in form_words(current(stage)))
    return current(stage)


async def test_a_server_is_made_from_the_form_and_told_with_its_address(tmp_path: Path) -> None:
    """The form shows the price; sending it makes the server; card and channel show address and duration."""
    async with playing(tmp_path, NOTICES) as stage:
        view = await priced(stage, await opened(stage, "create web09.example.com region=Oslo because we grow"))
        delivery = await stage.slack.submit_view("alice", view, {**FILLED})
        assert delivery.error is None
        await stage.slack.wait_for(lambda: "is being made" in form_words(current(stage)))
        card = await stage.card(words="Create web09.example.com: done")
        notice = await stage.card("general", words="web09.example.com is ready")
        assert "It took" in message_words(notice)
        assert "Address: " in message_words(notice)
        assert "we grow" in message_words(card)
        assert stage.effects("create") == 1


async def test_the_form_sent_three_times_makes_one_server(tmp_path: Path) -> None:
    """Redelivery of a submission does not pay twice."""
    async with playing(tmp_path) as stage:
        view = await priced(stage, await opened(stage))
        await stage.slack.submit_view("alice", view, {**FILLED}, duplicates=2)
        await stage.card(words="Create web09.example.com: done")
        await stage.card(words="web09.example.com is ready")
        assert stage.effects("create") == 1


async def test_without_the_price_on_the_form_the_card_asks(tmp_path: Path) -> None:
    """A price that was not shown is not confirmed: the card shows the cost and waits."""
    async with playing(tmp_path) as stage:
        view = await looked_up(stage, await opened(stage))
        await stage.slack.submit_view("alice", view, {**FILLED})
        card = await stage.card(words="Create web09.example.com: waiting for confirmation")
        assert "99 NOK a month" in message_words(card)
        assert stage.effects("create") == 0
        await stage.slack.click("alice", card, "vps:confirm")
        await stage.card(words="Create web09.example.com: done")


async def test_wrong_fields_are_told_at_the_fields(tmp_path: Path) -> None:
    """An impossible hostname or key is refused at once, in the form, and no confirmation is requested."""
    async with playing(tmp_path) as stage:
        view = await looked_up(stage, await opened(stage))
        values = {**FILLED, "hostname": "not a host!", "ssh_keys": "-----BEGIN OPENSSH PRIVATE KEY-----"}
        await stage.slack.submit_view("alice", view, values)
        errors = dict(current(stage).errors)
        assert set(errors) == {"hostname", "ssh_keys"}
        assert "private SSH key" in errors["ssh_keys"]
        assert stage.slack.messages("ops") == []


async def test_a_hostname_in_use_brings_the_form_back(tmp_path: Path) -> None:
    """What only the provider knows is shown in the form, with what was filled in."""
    async with playing(tmp_path) as stage:
        view = await priced(stage, await opened(stage, "create web01.example.com"))
        await stage.slack.submit_view("alice", view, {**FILLED})
        await stage.slack.wait_for(lambda: "exists already" in form_words(current(stage)))
        again = current(stage)
        assert again.callback_id == "vps:create"
        await stage.slack.submit_view("alice", again, {"hostname": "web10.example.com"})
        await stage.card(words="web10.example.com")


async def test_what_is_typed_is_filled_in_and_what_is_not_on_offer_is_named(tmp_path: Path) -> None:
    """`/vps create` fills the form; a plan that does not exist is named, not chosen."""
    async with playing(tmp_path) as stage:
        view = await opened(stage, "create web09 plan=vps-9tb region=stockholm os=Debian-12")
        assert "Not available: 'vps-9tb'" in form_words(view)
        text = str(view.blocks)
        assert "'initial_value': 'web09'" in text
        assert text.count("initial_option") == 2


async def test_a_form_opens_while_the_provider_hangs(tmp_path: Path) -> None:
    """The form is there at once; the catalogue comes when it comes."""
    async with playing(tmp_path) as stage:
        stage.fault(kind="slow", match={"operation": "plans"}, seconds=PLANS_SECONDS, times=1)
        await stage.slack.command("alice", "ops", "/vps", "create")
        await stage.slack.wait_for(lambda: stage.slack.modal("alice"), BEFORE_PLANS_SECONDS)
        assert "Reading plans" in form_words(current(stage))
        await stage.slack.wait_for(lambda: current(stage).callback_id == "vps:create")


async def test_a_server_that_fails_to_come_up_is_told(tmp_path: Path) -> None:
    """A failed provisioning is on the card and in the channel."""
    async with playing(tmp_path, NOTICES) as stage:
        stage.fault(kind="fail_provision", match={"operation": "create"})
        view = await priced(stage, await opened(stage))
        await stage.slack.submit_view("alice", view, {**FILLED})
        await stage.card(words="Create web09.example.com: failed")
        await stage.card("general", words="web09.example.com failed")


async def test_a_server_that_takes_too_long_is_told_and_watched_on(tmp_path: Path) -> None:
    """Past its time the channel is notified, the card shows it, and the end is posted in the same thread."""
    scene = Scene(
        provider=SimulatorConfig(speed=20), timing=replace(QUICK, create_limit=0.5), settings=NOTICES.settings
    )
    async with playing(tmp_path, scene) as stage:
        view = await priced(stage, await opened(stage))
        await stage.slack.submit_view("alice", view, {**FILLED})
        await stage.card(words="taking longer than usual")
        late = await stage.card("general", words="is taking longer than usual")

        def ready() -> bool:
            return any(
                "web09.example.com is ready" in message_words(message)
                for message in stage.slack.messages("general", late.ts)
            )

        await stage.slack.wait_for(ready)
