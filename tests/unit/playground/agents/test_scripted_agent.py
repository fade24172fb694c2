"""The scripted agent: it checks before it asks, never guesses, and reports what it may not do."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from vpsops.playground.agents.model import ModelToolCall, ModelTurn, Transcript, run_turns
from vpsops.playground.agents.scripted_agent import scripted_agent

Answers = Mapping[str, Mapping[str, Any] | str]
SERVERS = {"servers": [{"hostname": "db01.example.com"}, {"hostname": "web01.example.com"}]}
CATALOGUE: Answers = {
    "vps_list": SERVERS,
    "vps_plans": {"plans": [{"code": "big", "monthly_price": 9}, {"code": "small", "monthly_price": 1}]},
    "vps_regions": {"regions": [{"code": "oslo", "name": "Oslo, Norway"}]},
    "vps_os_templates": {
        "os_templates": [{"id": "debian-12", "family": "debian"}, {"id": "ubuntu-1", "family": "ubuntu"}]
    },
    "vps_check": {"outlook": "approvers are asked", "agree": "1 person", "cost": "1 NOK"},
    "vps_get": {"state": "running"},
}


async def worked(task: str, answers: Answers) -> tuple[str, list[ModelToolCall]]:
    """Let the agent work; an answer that is a text is a failure."""
    made: list[ModelToolCall] = []

    async def perform(call: ModelToolCall) -> ModelTurn:
        made.append(call)
        answer = answers.get(call.tool, {})
        failed = isinstance(answer, str)
        text = answer if isinstance(answer, str) else f"text of {call.tool}"
        return ModelTurn(call.tool, call.arguments, text, failed, {} if isinstance(answer, str) else answer)

    return await run_turns(scripted_agent(task), [], Transcript("", task), perform, 15), made


async def test_a_restart_is_checked_asked_for_and_read_again() -> None:
    text, made = await worked("restart web01, it hangs", CATALOGUE)
    assert [call.tool for call in made] == ["vps_list", "vps_status", "vps_check", "vps_reboot", "vps_get"]
    assert made[3].arguments == {"server": "web01.example.com", "reason": "it hangs"}
    assert all(call.thought for call in made)
    assert text == "text of vps_reboot It is now running."


@pytest.mark.parametrize(
    ("check", "words"),
    [({"outlook": "refused", "refused": "The rule says no."}, "I may not"), ("The rule says no.", "I do not ask")],
    ids=["refused", "error"],
)
@pytest.mark.parametrize("task", ["delete web01", "stop web01", "make a server in oslo"])
async def test_what_would_be_refused_is_not_asked_for(task: str, check: Mapping[str, Any] | str, words: str) -> None:
    text, made = await worked(task, {**CATALOGUE, "vps_check": check})
    assert made[-1].tool == "vps_check"
    assert text.startswith(words)
    assert "The rule says no." in text


async def test_a_refused_change_is_reported_and_not_repeated() -> None:
    text, made = await worked("stop web01", {**CATALOGUE, "vps_stop": "Bob denied it."})
    assert [call.tool for call in made].count("vps_stop") == 1
    assert made[-1].tool == "vps_stop"
    assert text == "web01.example.com was not changed. Bob denied it."


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("restart web03", "There is no server called web03"),
        ("restart it", "You do not say which server"),
        ("restart db01 and web01", "That fits 2 servers"),
    ],
)
async def test_it_never_guesses_a_server(task: str, words: str) -> None:
    text, made = await worked(task, CATALOGUE)
    assert [call.tool for call in made] == ["vps_list"]
    assert words in text
    assert "I do not guess" in text


async def test_a_list_that_cannot_be_read_ends_it() -> None:
    text, made = await worked("restart web01", {"vps_list": "The provider is away."})
    assert [call.tool for call in made] == ["vps_list"]
    assert "The provider is away." in text


@pytest.mark.parametrize(
    ("task", "plan", "system", "hostname"),
    [
        ("make a small server in oslo", "small", "ubuntu-1", "test01.example.com"),
        ("make a large debian server x07 in oslo", "big", "debian-12", "x07.example.com"),
        ("make x07.example.org in oslo", "small", "ubuntu-1", "x07.example.org"),
    ],
)
async def test_a_server_is_made_of_what_there_is(task: str, plan: str, system: str, hostname: str) -> None:
    _, made = await worked(task, CATALOGUE)
    assert made[-1].tool == "vps_create"
    chosen = {key: made[-1].arguments[key] for key in ("hostname", "plan", "region", "os_template")}
    assert chosen == {"hostname": hostname, "plan": plan, "region": "oslo", "os_template": system}


async def test_a_name_that_is_taken_is_not_taken_again() -> None:
    _, made = await worked(
        "make a server in oslo", {**CATALOGUE, "vps_list": {"servers": [{"hostname": "test01.example.com"}]}}
    )
    assert made[-1].arguments["hostname"] == "test02.example.com"


@pytest.mark.parametrize("catalogue", [{}, {"vps_plans": "away"}, {"vps_os_templates": {"os_templates": "garbled"}}])
async def test_without_a_catalogue_nothing_is_asked_for(catalogue: Answers) -> None:
    text, made = await worked("make a server in oslo", {**CATALOGUE, **catalogue} if catalogue else {})
    assert "vps_create" not in [call.tool for call in made]
    assert "I ask for nothing" in text


async def test_no_region_is_guessed() -> None:
    text, made = await worked("make a server", CATALOGUE)
    assert "vps_create" not in [call.tool for call in made]
    assert text == "You do not say where. I do not guess: the regions are oslo."


@pytest.mark.parametrize(
    ("task", "tools", "check"),
    [
        ("how is web01", ["vps_list", "vps_get", "vps_status"], lambda text: "text of vps_get" in text),
        ("which changes are open", ["vps_changes"], lambda text: text == "text of vps_changes"),
        (
            "which servers run in oslo",
            ["vps_regions", "vps_list"],
            lambda text: text.startswith("2 running servers in Oslo"),
        ),
        ("sing", [], lambda text: "script and no model" in text),
    ],
)
async def test_reading_asks_for_no_change(task: str, tools: list[str], check: Callable[[str], bool]) -> None:
    text, made = await worked(task, CATALOGUE)
    assert [call.tool for call in made] == tools
    assert check(text), text
