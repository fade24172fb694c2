"""Time that passes in a process with a running heartbeat."""

from tests.fakes.clock import FakeClock
from tests.harness.patience import eventually
from vpsops.core.app import Core
from vpsops.core.common.supervision import HEARTBEAT


async def beat_for(core: Core, clock: FakeClock, seconds: int) -> None:
    """Let `seconds` pass, with a stored heartbeat in each.

    Time stands still while a beat is being stored: the heart sleeps a second from the end of its beat, so a beat
    during which time moved on would be followed by one that is due only a second after the time that the test expects.
    """
    for _ in range(seconds):
        await eventually(lambda: clock.is_sleeping(HEARTBEAT))
        clock.advance(1)
        await eventually(lambda: core.readiness._engine.last_beat >= clock.monotonic())
