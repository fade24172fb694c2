"""What is known of an operation by its stored name, which a newer version may have written."""

from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.registry import Proof


def entry_of(name: str) -> Operation | None:
    """Return the entry of a stored name; None for an operation that this version does not know."""
    return OPERATIONS.get(name)


def makes_server(name: str) -> bool:
    """Return whether an operation makes a server, which is found by its hostname."""
    operation = OPERATIONS.get(name)
    return operation is not None and operation.makes_server


def removes(name: str) -> bool:
    """Return whether an operation succeeds by the absence of what it was about."""
    operation = OPERATIONS.get(name)
    return operation is not None and operation.removes


def shows_by_uptime(name: str) -> bool:
    """Return whether only an uptime shows that an operation was done."""
    operation = OPERATIONS.get(name)
    return operation is not None and operation.proof is Proof.UPTIME


def makers_of_servers() -> tuple[str, ...]:
    """Return the names of the operations that make servers."""
    return tuple(name for name, operation in OPERATIONS.items() if operation.makes_server)
