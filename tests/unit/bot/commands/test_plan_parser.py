"""Words after `/vps reboot` that mean many servers, and those that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.bot.commands.parser import RunOperation, UnclearCommand, parse_command
from vpsops.bot.commands.plan_parser import PlanWordsError, RunPlan, parse_plan
from vpsops.core.plans.model import PlanOptions


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("reboot web01 web02", ("web01", "web02")),
        ("reboot web01 web02 web*", ("web01", "web02", "web*")),
        ("restart web* because patch night", ("web*",)),
        ("start state:stopped region:oslo", ("state:stopped", "region:oslo")),
        ("stop LABEL:team=shop", ("label:team=shop",)),
        ("reboot `web01` web02.example.com", ("web01", "web02.example.com")),
        ("reboot db-* web*", ("db-*", "web*")),
        ("reboot web01,web02", ("web01", "web02")),
        ("reboot web01, web02, web*", ("web01", "web02", "web*")),
        ("reboot `web01,web02` region:oslo,", ("web01", "web02", "region:oslo,")),
        ("reboot web?1", ("web?1",)),
        ("reboot `WEB0?.example.com` db-?", ("web0?.example.com", "db-?")),
        ("reboot web[01]", ("web[01]",)),
        ("reboot web0[1-3] db?*", ("web0[1-3]", "db?*")),
    ],
)
def test_names_patterns_and_filters_are_a_plan(text: str, words: tuple[str, ...]) -> None:
    """All words select servers."""
    command = parse_command(text)
    assert isinstance(command, RunPlan)
    assert command.words == words
    assert command.reason == ("patch night" if "because" in text else "")


@pytest.mark.parametrize(
    "text", ["reboot web01 please", "reboot web01 now", "reboot the web01", "stop web01 and web02", "reboot web01 -- 2"]
)
def test_a_sentence_is_no_plan(text: str) -> None:
    """A word that may be none of a server runs nothing."""
    assert isinstance(parse_command(text), UnclearCommand)


@pytest.mark.parametrize("text", ["reboot web01?", "reboot [web01]", "reboot web01 ?", "reboot (web01)?"])
def test_punctuation_around_a_name_is_no_pattern(text: str) -> None:
    """A question mark at the end of a name asks, and brackets around one are people's."""
    assert not isinstance(parse_command(text), RunPlan)


def test_one_name_is_one_server() -> None:
    """Also in bold, which Slack writes with the sign of patterns around it."""
    assert parse_command("reboot web01") == RunOperation("reboot", {"server": "web01"})
    assert isinstance(parse_command("reboot *web01*"), RunOperation)
    assert isinstance(parse_command("reboot web01,"), RunOperation)


@pytest.mark.parametrize(
    "text", ["delete web01 web02", "resize web* plan=vps-8gb-4cpu", "rename web* x", "show web01 web02"]
)
def test_what_is_about_one_server_takes_no_pattern(text: str) -> None:
    """Decision 0044 says which operations can be in a plan."""
    assert not isinstance(parse_command(text), RunPlan)


def test_options_are_words_with_a_value() -> None:
    """Their order does not matter, and they are no servers."""
    command = parse_command("reboot pause=2m web* at_once=3 stop-after=2 probe=http:80/health")
    assert isinstance(command, RunPlan)
    assert command.options == PlanOptions(3, 120, 2, "http:80/health")
    assert command.words == ("web*",)


@pytest.mark.parametrize("text", ["reboot web* at_once=many", "reboot web* pause=soon", "reboot web* stop_after="])
def test_a_wrong_value_is_said(text: str) -> None:
    """Nothing runs, and the option is named."""
    command = parse_command(text)
    assert isinstance(command, UnclearCommand)
    assert text.split()[2].partition("=")[0] in command.message


@pytest.mark.parametrize(("typed", "words"), [("web*", ("web*",)), ("web01,web02", ("web01", "web02"))])
def test_an_operation_with_more_arguments_takes_several_for_its_server(typed: str, words: tuple[str, ...]) -> None:
    """The rest are arguments of each."""
    command = parse_command(f"label {typed} team=shop")
    assert isinstance(command, RunPlan)
    assert (command.words, command.arguments) == (words, {"labels": ["team=shop"]})


@given(st.lists(st.text(max_size=12), max_size=4))
def test_no_words_break_the_parser(words: list[str]) -> None:
    """Whatever is typed is a plan, none, or a wrong option."""
    try:
        plan = parse_plan(words)
    except PlanWordsError:
        return
    assert plan is None or plan.words
