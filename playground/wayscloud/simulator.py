"""All that one simulator works on: its world, its dialect, its faults and its journal."""

from dataclasses import replace

from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.wayscloud.account.account import World
from vpsops.playground.wayscloud.dialects import DIALECTS
from vpsops.playground.wayscloud.faults import Faults
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.request_log import Journal


class Simulator:
    """State behind one address. Raises `ConfigurationError` on an unknown dialect."""

    world: World
    faults: Faults
    journal: Journal

    def __init__(self, config: SimulatorConfig, clock: Clock) -> None:
        self.clock = clock
        self._begin(config)

    def speak(self, dialect: str) -> None:
        """Restart with a fresh world in another dialect, since its codes differ. Raises `ConfigurationError`."""
        self._begin(replace(self.config, dialect=dialect, speed=self.world.time.speed))

    def _begin(self, config: SimulatorConfig) -> None:
        if config.dialect not in DIALECTS:
            raise ConfigurationError(
                f"There is no dialect called '{config.dialect[:40]}'.", hint=f"Choose one of {', '.join(DIALECTS)}."
            )
        self.config = config
        self.dialect = DIALECTS[config.dialect]
        self.reset()

    def reset(self) -> None:
        """Go back to the start: first servers, first faults, first speed, nothing received."""
        self.world = World(self.config, self.dialect.catalogue, self.clock)
        self.faults = Faults(self.config.faults, self.config.seed)
        self.journal = Journal()
