"""How a simulator is set up."""

from dataclasses import dataclass, field

from vpsops.playground.wayscloud.faults import Fault


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """A simulator's start configuration; equal configurations on equal clocks behave equally.

    `speed` is how many of the world's seconds pass in one real second; `fleet` the total number of servers at the
    start (never fewer than the two documented ones); `keys` the accepted secrets, empty for any of the right form.
    """

    dialect: str = "live"
    speed: float = 60.0
    fleet: int = 0
    seed: int = 0
    keys: tuple[str, ...] = field(default=(), repr=False)
    faults: tuple[Fault, ...] = ()
    strict_states: bool = False
    unique_hostnames: bool = False
    restores: bool = False  # the service has a worker that restores backups; the live one answers 501
