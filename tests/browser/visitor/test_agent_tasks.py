"""A task for the agent: it is watched, held, answered, stopped, and its program's faults are one line each."""

import os
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, BrowserPage
from tests.browser.conftest import INSIDE, PASSED_ON, READY_SECONDS
from tests.browser.visitor.test_accessibility import SIZES, violations
from vpsops.playground.processes import running_command

RUN = "document.querySelector('article.run')"
PROGRAM = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    task, turns = asked["request"], asked["turns"]
    if task == "exit":
        sys.exit("the model's key is not set")
    if task == "hang":
        time.sleep(600)
    if task == "chatter":
        print("Let me think about it", flush=True)
    elif task == "unknown" and not turns:
        print(json.dumps({"tool": "vps_explode"}), flush=True)
    elif task == "ask" and not turns:
        call = {"server": "db01", "reason": "<img src=x onerror=alert(1)>"}
        print(json.dumps({"tool": "vps_stop", "arguments": call, "thought": "<b>I</b> stop it"}), flush=True)
    else:
        print(json.dumps({"final": f"<script>x</script> {os.environ['TEST_API_KEY']}"}), flush=True)
"""


async def given(page: BrowserPage, task: str) -> None:
    """Type a task and give it by keyboard."""
    await page.run("document.querySelector('#task').select()")
    await page.run("document.querySelector('#task').focus()")
    await page.type(task)
    await page.key("Enter")
    await page.until(f"{RUN}?.querySelector('strong').textContent === '{task}'")


async def ended(page: BrowserPage, state: str) -> str:
    """Wait for the newest run's end, and return its last step."""
    await page.until(f"{RUN}?.dataset.state === '{state}'")
    text: str = await page.run(f"[...{RUN}.querySelectorAll('[data-step] > .text')].at(-1)?.textContent ?? ''")
    return text


async def test_a_restart_is_watched_until_a_person_decided(page: BrowserPage, pictures: Path) -> None:
    """The call says that it waits and leads to its card; the approval ends the wait, and the agent reports."""
    assert "No model is configured, so a script plays the agent" in await page.run("document.body.textContent")
    await page.click("[data-sample^='Restart web01']")
    await page.until(f"{RUN}?.textContent.includes('waits for people')")
    await page.until("document.querySelector('.run [data-see=C0APPROVALS]')")
    await page.until_in_view(".run .waiting")
    await page.until_in_view("#stop-task")
    await page.picture(pictures / "task-waits.png")
    assert await violations(page) == []
    await page.click("[data-see=C0APPROVALS]")
    await page.until("document.querySelector('[data-channel=C0APPROVALS][aria-current=page]')")
    await page.click("[data-person=U0BOB]")
    await page.click(".messages [data-action='vps:approve']")
    assert "Reboot of web01.example.com succeeded" in await ended(page, "done")
    await page.picture(pictures / "task-done.png")
    await page.run("location.reload()")
    await page.until(f"{RUN}?.dataset.state === 'done'")
    assert await page.run("document.querySelector('#task').value") == "Restart web01, it hangs"


@pytest.mark.parametrize("size", SIZES)
async def test_a_question_is_answered_at_the_page(page: BrowserPage, size: str, pictures: Path) -> None:
    """The server's question to the agent's human; declined, no server is made. Readable in every size and theme."""
    await page.size(*SIZES[size], dark=size == "phone")
    await page.run("import('/static/js/store.js').then((store) => store.show('panel', 'agent'))")
    await given(page, f"make a small server {size}1 in oslo")
    await page.until(f"{RUN}?.querySelector('.question')")
    await page.until_in_view(".run .question .primary")
    await page.picture(pictures / f"task-question-{size}.png")
    assert await violations(page) == []
    await page.click(".run .question .foot .button:not(.primary)")
    assert "No server was made" in await ended(page, "done")
    assert await violations(page) == []


async def test_a_stop_ends_the_task_and_leaves_the_question_to_people(page: BrowserPage) -> None:
    """By keyboard; another task may follow at once."""
    await page.run("document.querySelector('[data-sample^=\"Stop db01\"]').focus()")
    await page.key("Enter")
    await page.until(f"{RUN}?.querySelector('.waiting')")
    await page.run("document.querySelector('#stop-task').focus()")
    await page.key("Enter")
    await ended(page, "stopped")
    assert not await page.run("document.querySelector('#stop-task') !== null")
    await given(page, "what runs in oslo?")
    assert "running servers in Oslo" in await ended(page, "done")
    await page.click("[data-person=U0BOB]")
    await page.click("[data-channel=C0APPROVALS]")
    await page.click(".messages [data-action='vps:deny']")
    await page.until("document.querySelector('.sheet [data-action=reason]')")
    await page.run("import('/static/js/hands.js').then((hands) => hands.enter('.sheet [data-action=reason]', 'no'))")
    await page.click(".sheet [data-submit='vps:deny']")
    await page.until("!document.querySelector('.messages [data-action=\"vps:deny\"]')")


@pytest.mark.parametrize("size", SIZES)
async def test_the_first_screen_leads_to_a_task(page: BrowserPage, size: str) -> None:
    """One press, and the task can be typed."""
    await page.size(*SIZES[size])
    await page.click("#tour")
    await page.click("#own-task")
    await page.until("document.activeElement.id === 'task'")
    await page.until_in_view("#task")


async def test_a_second_task_waits_for_the_first_ones_end(page: BrowserPage) -> None:
    await page.click("[data-sample^='Make a small']")
    await page.until(f"{RUN}?.querySelector('.question')")
    await page.run("document.querySelector('#task').focus()")
    await page.key("Enter")
    await page.until("document.querySelector('.notices').textContent.includes('has a task already')")
    await page.click(".run .question .foot .button:not(.primary)")
    await ended(page, "done")


@pytest.fixture(scope="module")
async def modelled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A playground whose agent is a program."""
    folder = tmp_path_factory.mktemp("modelled")
    program = folder / "agent.py"
    program.write_text(PROGRAM, encoding="utf-8")
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment = {**kept, "TEST_API_KEY": "sk-made-up-0123456789abcdef"}
    command = ["playground", "--speed", "60", "--agent-model", shlex.join([sys.executable, str(program)])]
    async with running_command("playground", command, environment, folder) as address:
        yield address


async def test_a_program_plays_the_agent(browser: Browser, modelled: str, pictures: Path) -> None:
    """What it writes is text without secrets; each of its faults is one clear line; a hanging one is stopped."""
    async with browser.page() as page:
        await page.size(1280, 800)
        await page.open(f"{modelled}/{INSIDE}")
        await page.until("document.querySelector('[data-ready=true]')", READY_SECONDS)
        assert "agent.py" in await page.run("document.querySelector('[data-player=program]').textContent")
        await given(page, "finish")
        assert await ended(page, "done") == "<script>x</script> •••"
        await given(page, "exit")
        ends = "The agent's program ended with exit code 1: the model's key is not set"
        assert await ended(page, "failed") == ends
        await given(page, "chatter")
        assert await ended(page, "failed") == "The agent's program wrote a line that is not JSON: Let me think about it"
        await given(page, "unknown")
        await ended(page, "done")
        assert "There is no tool called vps_explode." in await page.run(f"{RUN}.textContent")
        await page.picture(pictures / "task-program.png")
        assert await violations(page) == []
        await given(page, "hang")
        await page.click("#stop-task")
        await ended(page, "stopped")
        await given(page, "ask")
        await page.until(f"{RUN}?.querySelector('.waiting')")
        assert "<b>I</b> stop it" in await page.run(f"{RUN}.textContent")
        assert not await page.run("document.querySelector('.run b, .run img') !== null")
        await page.click("#stop-task")
        await ended(page, "stopped")
        assert page.complaints() == []
