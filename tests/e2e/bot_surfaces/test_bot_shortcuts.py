"""Shortcuts: the form for a new server from anywhere, acting on a server that a message names; menus that ask us."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from tests.fakes.slack_bot import BotHarness, Scene, message_words, playing, stage, words_of
from tests.harness.internals import database_of
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.messaging.inbox import InboxDelivery
from vpsops.core.storage.tables import INBOX
from vpsops.playground.slack.workspace.entities import View
from vpsops.playground.slack.workspace.log import Delivery
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

READ_ONLY = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "confirm"
operation = "start"
decision = "confirm"
"""
DESTROYING = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "destroying"
actor = "person"
risk = "destructive"
decision = "confirm"
destructive_without_approval = true
"""


def form_words(view: View | None) -> str:
    """Return all the words on a form."""
    return " ".join(words_of(list(view.blocks))) if view else ""


async def form(on: BotHarness, so: Callable[[str], bool], user: str = "alice") -> View:
    """Wait until the form in front of a person shows something; return it."""
    await on.slack.wait_for(lambda: so(form_words(on.slack.modal(user))))
    view = on.slack.modal(user)
    assert view is not None
    return view


async def on_message(on: BotHarness, text: str, user: str = "alice", channel: str = "ops") -> Delivery:
    """Use the shortcut on a message of this text."""
    return await on.slack.message_shortcut(user, on.slack.say("bob", channel, text), "vps:act_on")


def texts(delivery: Delivery) -> list[str]:
    """Return the entries that the app offered."""
    return [str(option["text"]["text"]) for option in delivery.options]


async def test_the_form_for_a_new_server_opens_from_anywhere_once(tmp_path: Path) -> None:
    """Something is there at once, then the form; the same use delivered twice opens nothing twice."""
    async with playing(tmp_path) as on:
        await on.slack.shortcut("alice", "vps:new_server", duplicates=1)
        await on.slack.wait_for(lambda: (view := on.slack.modal("alice")) and view.callback_id == "vps:create")
        assert len(on.slack.calls("views.open")) == 1
        assert len(on.slack.modals("alice")) == 1


async def test_a_server_made_from_a_shortcut_has_its_card_in_direct_messages(tmp_path: Path) -> None:
    """A global shortcut comes from no channel."""
    async with playing(tmp_path) as on:
        await on.slack.shortcut("alice", "vps:new_server")
        view = await form(on, lambda words: "Total:" in words)
        for name in ("plan", "region", "os_template"):
            await on.slack.options("alice", view, name)
        values = {"hostname": "web09.example.com", "plan": "vps-2gb-1cpu", "region": "oslo", "os_template": "debian-12"}
        await on.slack.submit_view("alice", view, values)
        await form(on, lambda words: "in your direct messages with me" in words)
        assert "Create web09.example.com" in message_words(on.slack.direct_messages("alice")[0])


async def test_the_servers_a_message_names_are_listed_with_what_may_be_done(tmp_path: Path) -> None:
    """Names, addresses and links are found; pressing a button holds the change, and its card asks as always."""
    async with playing(tmp_path) as on:
        await on_message(on, "CPU high on <http://web01.example.com|web01.example.com> and db01, not on webserver")
        view = await form(on, lambda words: "web01.example.com" in words)
        assert "db01.example.com" in form_words(view)
        assert "web02" not in form_words(view)
        await on.slack.click("alice", view, "vps:act:2", block="act:0")
        await form(on, lambda words: "Its card is in this channel now." in words)
        card = await on.card(words="waiting for confirmation")
        assert on.effects("reboot") + on.effects("delete") == 0
        await on.slack.click("alice", card, "vps:confirm")
        await on.card(words=": done")


async def test_a_read_from_the_shortcut_is_shown_in_the_form(tmp_path: Path) -> None:
    """Nothing is written into the channel for it."""
    async with playing(tmp_path) as on:
        await on_message(on, "what is web01 doing?")
        view = await form(on, lambda words: "web01.example.com" in words)
        await on.slack.click("alice", view, "vps:act:0", block="act:servers")
        await form(on, lambda words: "Address" in words and "Id" in words)
        assert len(on.slack.messages("ops")) == 1
        assert on.slack.ephemerals("alice") == []


async def test_a_message_that_names_none_offers_to_choose(tmp_path: Path) -> None:
    """The form states that; the menu asks the app while one types, and what is chosen can be acted on."""
    async with playing(tmp_path) as on:
        await on_message(on, "good morning")
        view = await form(on, lambda words: "No server of this account is named" in words)
        offered = await on.slack.options("alice", view, "vps:pick", "web0 running")
        assert texts(offered)
        assert all("web0" in text for text in texts(offered))
        await on.slack.select("alice", view, "vps:pick", offered.options[0])
        view = await form(on, lambda words: "Nothing is done before you confirm" in words)
        assert "web0" in form_words(view)


async def test_the_policy_decides_which_buttons_there_are(tmp_path: Path) -> None:
    """An operation that would be refused has no button; the gate would refuse it all the same."""
    policy = tmp_path / "vpsops.toml"
    policy.write_text(READ_ONLY)
    async with playing(tmp_path, Scene(settings={"VPSOPS_CONFIG": str(policy)})) as on:
        await on_message(on, "web01 again")
        view = await form(on, lambda words: "web01.example.com" in words)
        labels = [
            item["text"]["text"] for block in view.blocks for item in block.get("elements", []) if "value" in item
        ]
        assert labels == [
            *("Show", "Status", "Snapshots", "Backup download…", "Backups", "Backup usage", "Backup schedule"),
            "Firewall",
        ]


async def test_while_the_provider_is_away_the_form_says_so(tmp_path: Path) -> None:
    """No error of Slack's: the form is there, with words, and the menu offers nothing for now."""
    async with playing(tmp_path) as on:
        on.fault(kind="status", match={"operation": "list"}, status=401)
        await on_message(on, "web01 hangs")
        view = await form(on, lambda words: "Which server?" in words)
        assert "(err_" in form_words(view)
        offered = await on.slack.options("alice", view, "vps:pick", "web")
        assert offered.error is None
        assert offered.options == []


async def test_hostile_words_in_a_message_stay_words(tmp_path: Path) -> None:
    """A message of a hundred thousand characters, markup and controls finds what it names and breaks nothing."""
    async with playing(tmp_path) as on:
        await on_message(on, "web01 <!channel> `*_~ \u202e db01.example.com\n" + "x" * 30_000)
        view = await form(on, lambda words: "web01.example.com" in words)
        assert "db01.example.com" in form_words(view)
        assert "<!channel>" not in str(view.blocks)


async def test_the_shortcut_works_where_the_app_is_not_and_over_socket_mode(tmp_path: Path) -> None:
    """In a channel without the app the card goes to the person's direct messages."""
    async with playing(tmp_path, Scene("socket")) as on:
        await on_message(on, "web01", channel="nobot")
        view = await form(on, lambda words: "web01.example.com" in words)
        assert texts(await on.slack.options("alice", view, "vps:pick", "db01")) == ["● db01.example.com running"]
        await on.slack.click("alice", view, "vps:act:3", block="act:servers")
        await form(on, lambda words: "direct messages" in words)
        assert "web01.example.com" in message_words(on.slack.direct_messages("alice")[0])


async def test_menus_offer_what_holds_every_word_and_at_most_a_hundred(tmp_path: Path) -> None:
    """Three hundred servers: a hundred are offered, and typing narrows them down."""
    async with playing(tmp_path, Scene(provider=SimulatorConfig(speed=600, fleet=300))) as on:
        await on_message(on, "hello")
        view = await form(on, lambda words: "Choose one" in words)
        assert len((await on.slack.options("alice", view, "vps:pick")).options) == 100
        await on.slack.shortcut("alice", "vps:new_server")
        view = await form(on, lambda words: "Total:" in words)
        plans = await on.slack.options("alice", view, "plan", "2gb month")
        assert texts(plans)
        assert all("2" in text and "month" in text for text in texts(plans))
        assert (await on.slack.options("alice", view, "plan", "no such plan")).options == []
        assert plans.acked_in is not None


async def test_the_form_opens_without_a_catalogue_and_fills_later(tmp_path: Path) -> None:
    """While the provider is away the form states it and its menus are empty; they fill as soon as it is back."""
    async with playing(tmp_path) as on:
        on.fault(kind="status", match={"operation": "plans"}, status=401)
        await on.slack.command("alice", "ops", "/vps", "create web09.example.com")
        view = await form(on, lambda words: "fill as soon as the provider answers again" in words)
        offered = await on.slack.options("alice", view, "plan")
        assert offered.error is None
        assert offered.options == []
        on.provider.simulator.faults.clear()
        assert (await on.slack.options("alice", view, "plan")).options
        await on.slack.select("alice", view, "plan", "vps-2gb-1cpu")
        view = await form(on, lambda words: "Total: 99 NOK a month" in words)
        assert "web09.example.com" in str(view.blocks)


async def test_a_private_key_is_refused_and_stored_nowhere(tmp_path: Path) -> None:
    """It is neither in the stored click on the plan nor accepted with the form: the field shows why."""
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbm\n-----END OPENSSH PRIVATE KEY-----"
    async with stage(tmp_path) as on, on.bot() as (_bot, core):
        kept = await kept_by(core)
        await on.slack.shortcut("alice", "vps:new_server")
        view = await form(on, lambda words: "Total:" in words)
        for name in ("plan", "region", "os_template"):
            await on.slack.options("alice", view, name)
        on.slack.fill("alice", view, {"ssh_keys": secret})
        await on.slack.select("alice", view, "plan", "vps-2gb-1cpu")
        view = await form(on, lambda words: "Total: 99 NOK a month" in words)
        values = {"hostname": "web09.example.com", "region": "oslo", "os_template": "debian-12", "ssh_keys": secret}
        await on.slack.submit_view("alice", view, values)
        view = await form(on, lambda words: "Total: 99 NOK" in words)
        assert "private SSH key" in dict(view.errors)["ssh_keys"]
        assert kept
        assert "b3BlbnNza" not in str(kept)
        assert on.effects("create") == 0


async def kept_by(core: Core) -> list[object]:
    """Return a list that fills with every payload that is stored."""
    kept: list[object] = []
    before = core.inbox.accept

    async def accept(key: str, kind: str, payload: object) -> InboxDelivery | None:
        kept.append(payload)
        return await before(key, kind, payload)  # type: ignore[arg-type]

    core.inbox.accept = accept  # type: ignore[method-assign]
    rows = await database_of(core).read(lambda connection: connection.execute(sa.select(INBOX)).all())
    assert rows == []
    return kept


async def test_what_destroys_asks_to_type_the_servers_name(tmp_path: Path) -> None:
    """Confirming opens a form; another name is refused at the field, the very name runs it once."""
    policy = tmp_path / "vpsops.toml"
    policy.write_text(DESTROYING)
    async with stage(tmp_path, Scene(settings={"VPSOPS_CONFIG": str(policy)})) as on, on.bot() as (_bot, core):
        await on_message(on, "web01 is to go")
        view = await form(on, lambda words: "web01.example.com" in words)
        await on.slack.click("alice", view, "vps:act:0", block="act:lifecycle")
        card = await on.card(words="waiting for confirmation")
        await on.slack.click("bob", card, "vps:confirm")
        assert "Only alice can confirm" in message_words(await on.private("bob"))
        await on.slack.click("alice", card, "vps:confirm")
        view = await form(on, lambda words: "This cannot be undone." in words)
        assert "gone for good" in form_words(view)
        await on.slack.submit_view("alice", view, {"name": "web02.example.com"})
        view = await form(on, lambda words: "This cannot be undone." in words)
        assert "not its name" in dict(view.errors)["name"]
        assert [change.state for change in await core.changes.list(scope=OPERATOR)] == [State.HELD]
        await on.slack.submit_view("alice", view, {"name": " WEB01.example.com "}, duplicates=2)
        await on.card(words="Delete web01.example.com: done")
        assert on.effects("delete") == 1


async def test_a_name_typed_for_what_has_moved_on_does_nothing(tmp_path: Path) -> None:
    """The form is bound to the displayed change; cancelled meanwhile, even the right name runs nothing."""
    policy = tmp_path / "vpsops.toml"
    policy.write_text(DESTROYING)
    async with stage(tmp_path, Scene(settings={"VPSOPS_CONFIG": str(policy)})) as on, on.bot() as (_bot, _core):
        await on_message(on, "web01 is to go")
        view = await form(on, lambda words: "web01.example.com" in words)
        await on.slack.click("alice", view, "vps:act:0", block="act:lifecycle")
        card = await on.card(words="waiting for confirmation")
        await on.slack.click("alice", card, "vps:confirm")
        view = await form(on, lambda words: "This cannot be undone." in words)
        await on.slack.click("alice", card, "vps:cancel")
        await on.card(words="cancelled")
        await on.slack.submit_view("alice", view, {"name": "web01.example.com"})
        await form(on, lambda words: "already" in words)
        assert on.effects("delete") == 0
