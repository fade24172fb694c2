"""What the API can do, as data: one entry per operation, from which both front ends are derived."""

from vpsops.core.operations.catalogue import CATALOGUE
from vpsops.core.operations.registry import Operation, OperationTable, Risk
from vpsops.core.operations.servers import SERVERS

OPERATIONS = OperationTable(SERVERS, CATALOGUE)

__all__ = ["OPERATIONS", "Operation", "Risk"]
