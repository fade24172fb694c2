"""The words of `/vps grant`: which agent, what, where and for how long; what is missing is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.bot.commands.grant_parser import AskGrant
from vpsops.bot.commands.parser import UnclearCommand, parse_command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("grant assistant reboot web01 for 1h", AskGrant("assistant", "", "reboot", ("web01",), 3600.0)),
        (
            "grant assistant restart `web01` web02 for 30 min uses=10 because on call",
            AskGrant("assistant", "", "reboot", ("web01", "web02"), 1800.0, 10, "on call"),
        ),
        (
            "grant Claude Code of ann@acme.example reboot web* for 2 hours",
            AskGrant("Claude Code", "ann@acme.example", "reboot", ("web*",), 7200.0),
        ),
        (
            "grant assistant of <@U0ALICE|alice> stop web01 for 1h",
            AskGrant("assistant", "U0ALICE", "stop", ("web01",), 3600.0),
        ),
        ("grant reboot reboot web01 for 1h", AskGrant("reboot", "", "reboot", ("web01",), 3600.0)),
        ("grant assistant power-off web01 web01 for 5m", AskGrant("assistant", "", "stop", ("web01",), 300.0)),
    ],
)
def test_the_words_of_a_request(text: str, command: AskGrant) -> None:
    """The agent's name may have several words; the person follows it."""
    assert parse_command(text) == command


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grant", "Name the agent, then the operation"),
        ("grant assistant", "Name the agent, then the operation"),
        ("grant assistant dance web01 for 1h", "Name the agent, then the operation"),
        ("grant assistant of reboot web01 for 1h", "agent's person is missing"),
        ("grant assistant reboot web01", "Say for how long"),
        ("grant assistant reboot for 1h", "Name the servers"),
        ("grant assistant reboot web01 for", "is no time"),
        ("grant assistant reboot web01 for 3d", "is no time"),
        ("grant assistant reboot web01 for 1h please", "is no time"),
        ("grant assistant reboot web01 for 1h uses=0", "uses takes one number"),
        ("grant assistant reboot web01 for 1h uses=1 uses=2", "uses takes one number"),
    ],
)
def test_what_is_missing_is_asked_for(text: str, message: str) -> None:
    """Nothing is guessed; the answer has the syntax."""
    command = parse_command(text)
    assert isinstance(command, UnclearCommand)
    assert message in command.message
    assert "/vps grant AGENT [of PERSON] OPERATION SERVERS for TIME" in command.hint


@given(st.lists(st.sampled_from(["assistant", "of", "reboot", "web01", "for", "1h", "uses=3", "<@U1>", "*", "ann"])))
def test_any_words_are_a_request_or_a_question(words: list[str]) -> None:
    """A request always has an agent, servers and a time."""
    command = parse_command(" ".join(["grant", *words]))
    assert isinstance(command, AskGrant | UnclearCommand) or words == []
    if isinstance(command, AskGrant):
        assert command.agent
        assert command.servers
        assert command.seconds >= 60
