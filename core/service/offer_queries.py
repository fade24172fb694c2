"""Which operations this API does not offer, or the limits switch off, for front ends' lists."""

from vpsops.core.offers.memory import region_of
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.target import Target
from vpsops.core.service.backend import Backend

SWITCHED_OFF = "switched off here: the provider does not document it"


class OfferQueries:
    """Answers from the memory of absent routes and the limits, both as read last; `refresh` reads them again."""

    __slots__ = ("_backend",)

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def refresh(self) -> None:
        """Read what other processes learned; raises `StorageError`."""
        await self._backend.policy.refresh()
        await self._backend.offers.refresh()

    @property
    def hidden(self) -> frozenset[str]:
        """The names of the operations that lists leave out: not offered in any region, or switched off."""
        return frozenset(name for name, operation in OPERATIONS.items() if self._absence(operation))

    @property
    def reasons(self) -> dict[str, str]:
        """Why each hidden operation is left out, in a few words, by its name."""
        return {name: text for name, operation in OPERATIONS.items() if (text := self._absence(operation))}

    def is_offered_at(self, operation: Operation, target: Target) -> bool:
        """Return whether nothing is known that keeps an operation from running in the region of a server."""
        if self._absence(operation):
            return False
        return self._backend.offers.latest.at(operation, region_of(target)) is None

    def _absence(self, operation: Operation) -> str:
        if self._backend.policy.latest_limits().forbids(operation.name, documented=operation.documented) is not None:
            return SWITCHED_OFF
        absent = self._backend.offers.latest.everywhere(operation)
        return f"not offered by this API, since {absent.since}" if absent is not None else ""
