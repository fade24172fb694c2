"""State machines that have a database of their own in each example, of the kind that the run is about."""

from typing import ClassVar, Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.fakes.storage.databases import NewDatabase, PostgresCopies
from tests.harness.profiles import examples

POSTGRES_PART: Final = 0.5
"""Part of the examples that is played on PostgreSQL, where each step takes twice as long (measured)."""


class DatabaseMachine(RuleBasedStateMachine):
    """A state machine on a database, which `new_database` makes at the beginning of an example."""

    new_database: ClassVar[NewDatabase]


def run_machine(machine: type[DatabaseMachine], new_database: NewDatabase, number: int, steps: int) -> None:
    """Play a number of examples of a machine, each on a new database."""
    part = POSTGRES_PART if isinstance(new_database, PostgresCopies) else 1.0
    limits = settings(
        max_examples=examples(round(number * part)),
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
    )
    made = type(machine.__name__, (machine,), {"new_database": staticmethod(new_database)})
    run_state_machine_as_test(made, settings=limits)
