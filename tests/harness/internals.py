"""Access for tests to what stands beneath a core."""

from vpsops.core.app import Core
from vpsops.core.service.backend import Backend
from vpsops.core.storage.database import Database


def backend_of(core: Core) -> Backend:
    """Return what the services of a core run on."""
    return core.gate._backend


def database_of(core: Core) -> Database:
    """Return the database of a core."""
    return backend_of(core).database
