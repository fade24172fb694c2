"""What the API can do, as data: one entry per operation, from which both front ends are derived."""

from vpsops.core.operations.catalogue import CATALOGUE
from vpsops.core.operations.families.backup_policy import BACKUP_POLICY
from vpsops.core.operations.families.backups import BACKUPS
from vpsops.core.operations.families.firewall import FIREWALL
from vpsops.core.operations.families.labels import LABELS
from vpsops.core.operations.families.lifecycle import LIFECYCLE
from vpsops.core.operations.families.snapshots import SNAPSHOTS
from vpsops.core.operations.registry import Operation, OperationTable, Risk
from vpsops.core.operations.servers import SERVERS

OPERATIONS = OperationTable(SERVERS, LIFECYCLE, LABELS, CATALOGUE, SNAPSHOTS, BACKUPS, BACKUP_POLICY, FIREWALL)

__all__ = ["OPERATIONS", "Operation", "Risk"]
