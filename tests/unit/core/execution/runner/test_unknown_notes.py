"""After a lost answer the note of a change reads as sentences."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.core.harness import BOUND, Stage, staged
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.execution.notes import unknown_note
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as made:
        yield made


async def test_the_note_of_a_lost_answer_is_plain_sentences(stage: Stage) -> None:
    """What happened, what is done about it; one full stop a sentence, and no bracket within a bracket."""
    server = stage.server("web.example.com")
    stage.fault("drop_after", "reboot")
    change = await stage.confirmed("reboot", server=server.id)
    unclear = await stage.changes.wait(
        change.id, seconds=BOUND, until=lambda now: now.state in {State.UNKNOWN, State.SUCCEEDED}, scope=OPERATOR
    )
    assert unclear.note == (
        "It is not known whether WAYSCloud did reboot the server: it was sent, and no clear answer came "
        "(RemoteProtocolError). The outcome is being checked; nothing is sent again."
    )


def test_a_reason_in_lower_case_begins_the_sentence() -> None:
    """A reason of ours has no capital and no full stop."""
    assert unknown_note("the process was stopped").startswith("The process was stopped. The outcome is being checked")
