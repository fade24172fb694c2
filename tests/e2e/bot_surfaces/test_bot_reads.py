"""Reading in Slack: lists, details, catalogues, help, and names that mean several servers or none."""

from functools import partial
from pathlib import Path

import pytest

from tests.fakes.slack_bot import BotHarness, Scene, Transport, buttons, message_words, playing
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.wayscloud.faults.config import SimulatorConfig


@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_servers_are_listed_in_private_over_both_transports(tmp_path: Path, transport: Transport) -> None:
    """`/vps list` shows the servers to the caller, and nothing to the channel."""
    async with playing(tmp_path, Scene(transport)) as stage:
        delivery = await stage.slack.command("alice", "ops", "/vps", "list")
        assert delivery.error is None
        answer = await stage.private("alice", "2 servers")
        assert "web01.example.com" in message_words(answer)
        assert stage.slack.messages("ops") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("show web01", "185.35.202.45"),
        ("status web01", "web01.example.com: usage"),
        ("plans", "vps-2gb-1cpu"),
        ("os", "Ubuntu 24.04"),
        ("regions", "Regions"),
        ("list state:stopped", "No servers"),
        ("help", "/vps reboot web01 because it hangs"),
        ("help servers", "/vps reboot SERVER [TIME] [because REASON]"),
        ("help reboot", "Connections drop"),
        ("", "Begin with these:"),
        ("changes", "The newest changes: none"),
        ("rebot web01", "Did you mean /vps reboot"),
        ("show weeb01", "Did you mean web01.example.com"),
        ("cancel chg_404", "There is no change chg_404"),
    ],
)
async def test_a_command_is_answered_in_private(tmp_path: Path, text: str, words: str) -> None:
    """Every read, and everything that is not understood, gets an answer for the asker alone."""
    async with playing(tmp_path) as stage:
        assert (await stage.slack.command("alice", "ops", "/vps", text)).error is None
        await stage.private("alice", words)
        assert stage.slack.messages("ops") == []
        assert stage.provider.simulator.world.counts.total() == 0


async def test_a_list_of_a_thousand_is_turned_in_place_and_shared_without_controls(tmp_path: Path) -> None:
    """Each page costs one call and replaces the one before; a shared page is read again and has no buttons."""
    async with playing(tmp_path, Scene(provider=SimulatorConfig(speed=600, fleet=1_000))) as stage:
        await stage.slack.command("alice", "ops", "/vps", "list state:running")
        page = await stage.private("alice", " servers, 1 to 20 shown")
        before = len(stage.provider.simulator.journal.entries(operation="list"))
        for button, words in (("vps:run:0", ", 21 to 40 shown"), ("vps:run:2", ", 41 to 60 shown")):
            await stage.slack.click("alice", page, button)
            page = await stage.private("alice", words)
        assert len(stage.slack.ephemerals("alice")) == 1
        assert 1 <= len(stage.provider.simulator.journal.entries(operation="list")) - before <= 2
        await stage.slack.click("alice", page, "vps:share")
        shared = await stage.card(words=", 41 to 60 shown")
        assert buttons(shared) == []
        assert "shared by" in message_words(shared).lower()


@pytest.mark.parametrize("refused", [frozenset(), frozenset({"data_table"})])
async def test_a_long_list_is_one_table_or_plain_lines_where_a_workspace_takes_none(
    tmp_path: Path, refused: frozenset[str]
) -> None:
    """The same message with every row, in private and then shared; the second has its lines at the first try."""
    simulator, workspace = SimulatorConfig(speed=600, fleet=180), WorkspaceConfig(refused_blocks=refused)
    async with playing(tmp_path, Scene(provider=simulator, workspace=workspace)) as stage:
        await stage.slack.command("alice", "ops", "/vps", "list state:running")
        page = await stage.private("alice", " servers, 1 to 20 shown")
        await stage.slack.click("alice", page, "vps:whole_list")
        whole = await stage.private("alice", "Address")
        names = [host.hostname for host in stage.provider.simulator.world.servers() if host.state.value == "running"]
        assert len(names) > 20
        assert all(name in whole.text for name in names)
        kinds = {block["type"] for block in whole.blocks}
        assert ("data_table" in kinds) == (not refused)
        assert all(name in str(whole.blocks) for name in names)
        await stage.slack.click("alice", whole, "vps:share_whole")
        shared = await stage.card(words="Shared by")
        assert (buttons(shared), {block["type"] for block in shared.blocks}) == ([], kinds - {"actions"} | {"context"})


def has_messages(stage: BotHarness, count: int) -> bool:
    return len(stage.slack.messages("ops")) == count


async def test_every_read_can_be_shared(tmp_path: Path) -> None:
    """A private read is repeated for the channel, under the sharer's name and without controls."""
    reads = {"show web01": "Create", "status web01": "usage", "plans": "Plans", "os": "Operating", "regions": "Regions"}
    async with playing(tmp_path) as stage:
        for number, (text, words) in enumerate(reads.items(), start=1):
            await stage.slack.command("alice", "ops", "/vps", text)
            await stage.slack.click("alice", await stage.private("alice", words), "vps:share")
            await stage.slack.wait_for(partial(has_messages, stage, number))
        for message in stage.slack.messages("ops"):
            assert "Shared by <@U0ALICE>" in message_words(message)
            assert buttons(message) == []


@pytest.mark.requirement("slack-certain-or-nothing")
async def test_a_name_that_means_several_servers_becomes_a_choice(tmp_path: Path) -> None:
    """Each candidate has its button; the one clicked is the one that runs, and nothing else does."""
    async with playing(tmp_path) as stage:
        stage.rename("db01.example.com", "web02.example.com")
        await stage.slack.command("alice", "ops", "/vps", "reboot web because of a leak")
        choice = await stage.private("alice", "matches 2 servers")
        assert stage.slack.messages("ops") == []
        await stage.slack.click("alice", choice, "vps:run:1")
        card = await stage.card(words="Reboot web02.example.com")
        assert "of a leak" in message_words(card)


async def test_a_menu_asks_for_one_server(tmp_path: Path) -> None:
    """The menu beside a server acts on exactly that server."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "list web01")
        listed = await stage.private("alice", "1 server")
        await stage.slack.select("alice", listed, "vps:menu", "reboot b5c6d7e8-f9a0-1234-5678-90abcdef1234")
        await stage.card(words="Reboot web01.example.com")


@pytest.mark.requirement("slack-acknowledged-first")
async def test_a_provider_that_hangs_delays_no_acknowledgement(tmp_path: Path) -> None:
    """The ack comes at once; the person reads that the provider is slow, and then the answer."""
    async with playing(tmp_path) as stage:
        stage.fault(kind="slow", match={"operation": "list"}, seconds=6, times=1)
        delivery = await stage.slack.command("alice", "ops", "/vps", "list")
        assert delivery.acked_in is not None
        assert delivery.acked_in < 1
        await stage.private("alice", "slow to answer")
        await stage.private("alice", "2 servers")


async def test_a_provider_that_fails_is_told_with_an_id(tmp_path: Path) -> None:
    """An error states what happened, what to do and an id to search for."""
    async with playing(tmp_path) as stage:
        stage.fault(kind="status", status=401, match={"operation": "list"})
        await stage.slack.command("alice", "ops", "/vps", "list")
        answer = await stage.private("alice", "err_")
        assert "WAYSCLOUD_API_KEY" in message_words(answer)
