"""`vpsops demo`: one story by its name, the names for one there is not, and exit 1 where a claim does not hold."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from vpsops.core.common.errors import InvalidInputError
from vpsops.playground import demo
from vpsops.playground.processes import StageError
from vpsops.playground.stories.acts import must
from vpsops.playground.stories.scripts import STORIES, DemoStory
from vpsops.playground.stories.transcript import StoryTranscript


def test_all_stories_are_played_unless_one_is_named() -> None:
    assert list(demo.chosen(None)) == ["confirm", "agent-held", "provisioning", "lost-answer", "outsider"]
    assert list(demo.chosen("outsider")) == ["outsider"]


@pytest.mark.parametrize("name", ["", "CONFIRM", "agent", "\x1b[31mred\n" * 100])
def test_an_unknown_story_is_answered_by_the_list(name: str) -> None:
    """In one line, with what each is about, and nothing that steers the terminal."""
    with pytest.raises(InvalidInputError) as refused:
        demo.chosen(name)
    text = f"{refused.value.message} {refused.value.hint}"
    assert all(story in text for story in STORIES)
    assert "\x1b" not in text
    assert "\n" not in text
    assert len(refused.value.message) <= 80


def test_a_claim_that_does_not_hold_stops_the_story() -> None:
    assert must("One reboot.", holds=True) == "One reboot."
    with pytest.raises(StageError, match=r"this is not so: One reboot\."):
        must("One reboot.", holds=False)


@pytest.mark.parametrize("error", [StageError("the card did not happen"), None])
def test_the_exit_code_says_whether_all_was_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: StageError | None
) -> None:
    """A story that stops ends with 1 and its reason, and no next steps."""

    @asynccontextmanager
    async def nothing(transcript: StoryTranscript) -> AsyncIterator[None]:
        del transcript
        yield None

    async def play(stage: Any) -> None:
        del stage
        if error:
            raise error

    monkeypatch.setattr(demo, "demo_processes", nothing)
    monkeypatch.setattr(demo, "STORIES", {"short": DemoStory("A story", play)})
    code = demo.run(argparse.Namespace(story=None))
    text = capsys.readouterr().out
    assert code == (1 if error else 0)
    assert ("The story stopped: the card did not happen" in text) is bool(error)
    assert ("vpsops playground" in text) is not bool(error)
    assert "\x1b" not in text


def test_the_next_steps_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After `make demo` the bare name is on no path, so they name the program as it was called."""
    called = ".venv-run/bin/vpsops"
    monkeypatch.setenv("PATH", "/nowhere")
    assert demo.own_name(called) == called
    assert demo.own_name("/lib/python3/vpsops/__main__.py") == "vpsops"
