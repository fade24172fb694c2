"""The documented path of each operation, and facts about its answers."""

from dataclasses import dataclass, replace
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Route:
    """One operation's address. `doing` completes the sentence "WAYSCloud would not …"."""

    name: str
    doing: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    server_id: str = ""
    part: str = ""  # what of the server it is about: the name of a snapshot, the id of a backup
    query: tuple[tuple[str, str], ...] = ()  # a filter of a list, and the page of it
    optional: bool = False
    tries_unsent: int = 1
    secret: bool = False  # its answer is not quoted anywhere

    @property
    def names_server(self) -> bool:
        """Return whether a 404 here is about a server, and not about the route."""
        return "{id}" in self.path

    @property
    def url_path(self) -> str:
        """Return the documented path, filled in."""
        return self.path.replace("{id}", self.server_id).replace("{part}", self.part)

    @property
    def other_path(self) -> str:
        """Return the path with its trailing slash added, or taken away."""
        path = self.url_path
        return path.removesuffix("/") if path.endswith("/") else f"{path}/"

    def page(self, query: tuple[tuple[str, str], ...]) -> "Route":
        """Return this route for another page of its list."""
        return replace(self, query=(*self.query, *query))

    def of(self, server_id: str, part: str = "") -> "Route":
        """Return this route for one server, or for one part of it; both are already validated."""
        return replace(self, server_id=server_id, part=part)


# Documented paths. The official clients disagree with them, and with each other, about trailing slashes.
SERVERS: Final = Route("list_servers", "list the servers", "GET", "/v1/vps")
PLANS: Final = Route("list_plans", "list the plans", "GET", "/v1/vps/plans/")
PLANS_OF_REGION: Final = Route(
    "list_plans_of_region", "list the plans of one region", "GET", "/v1/vps/plans/region/{part}"
)
ADDONS: Final = Route("list_addons", "list the add-ons", "GET", "/v1/vps/addons/")
OS_TEMPLATES: Final = Route("list_os_templates", "list the operating systems", "GET", "/v1/vps/os-templates")
REGIONS: Final = Route("list_regions", "list the regions", "GET", "/v1/vps/regions", optional=True)
ALL_REGIONS: Final = Route("list_all_regions", "list the regions of all services", "GET", "/v1/regions")
SERVER: Final = Route("get_server", "show the server", "GET", "/v1/vps/{id}")
STATUS: Final = Route("server_status", "show the server's usage", "GET", "/v1/vps/{id}/status")
CREATE: Final = Route("create_server", "create the server", "POST", "/v1/vps")
START: Final = Route("start_server", "start the server", "POST", "/v1/vps/{id}/start", tries_unsent=3)
STOP: Final = Route("stop_server", "stop the server", "POST", "/v1/vps/{id}/stop", tries_unsent=3)
REBOOT: Final = Route("reboot_server", "reboot the server", "POST", "/v1/vps/{id}/reboot", tries_unsent=3)
DELETE: Final = Route("delete_server", "delete the server", "DELETE", "/v1/vps/{id}")
UPDATE: Final = Route("update_server", "change the server's name", "PATCH", "/v1/vps/{id}")
LABEL: Final = Route("update_server", "change the server's labels", "PATCH", "/v1/vps/{id}")
UPGRADE: Final = Route("upgrade_server", "move the server to another plan", "POST", "/v1/vps/{id}/upgrade")
SNAPSHOTS: Final = Route("list_snapshots", "list the snapshots", "GET", "/v1/vps/{id}/snapshots")
CREATE_SNAPSHOT: Final = Route("create_snapshot", "take the snapshot", "POST", "/v1/vps/{id}/snapshots")
DELETE_SNAPSHOT: Final = Route("delete_snapshot", "delete the snapshot", "DELETE", "/v1/vps/{id}/snapshots/{part}")
ROLLBACK_SNAPSHOT: Final = Route(
    "rollback_snapshot", "roll the server back", "POST", "/v1/vps/{id}/snapshots/{part}/rollback"
)
BACKUPS: Final = Route("list_backups", "list the backups", "GET", "/v1/vps/{id}/backups")
CREATE_BACKUP: Final = Route("create_backup", "make the backup", "POST", "/v1/vps/{id}/backups")
DELETE_BACKUP: Final = Route("delete_backup", "delete the backup", "DELETE", "/v1/vps/{id}/backups/{part}")
RESTORE_BACKUP: Final = Route("restore_backup", "restore the backup", "POST", "/v1/vps/{id}/backups/{part}/restore")
DOWNLOAD_BACKUP: Final = Route(
    "download_backup", "offer the backup for download", "GET", "/v1/vps/{id}/backups/{part}/download", secret=True
)
BACKUP_USAGE: Final = Route("backup_usage", "show the space of the backups", "GET", "/v1/vps/{id}/backup-usage")
BACKUP_POLICY: Final = Route("backup_policy", "show the backup policy", "GET", "/v1/vps/{id}/backup-policy")
SET_BACKUP_POLICY: Final = Route("set_backup_policy", "set the backup policy", "PUT", "/v1/vps/{id}/backup-policy")
REMOVE_BACKUP_POLICY: Final = Route(
    "remove_backup_policy", "remove the backup policy", "DELETE", "/v1/vps/{id}/backup-policy"
)
FIREWALL: Final = Route("list_rules", "list the firewall rules", "GET", "/v1/vps/{id}/firewall")
ADD_RULE: Final = Route("add_rule", "add the firewall rule", "POST", "/v1/vps/{id}/firewall")
REMOVE_RULE: Final = Route("remove_rule", "remove the firewall rule", "DELETE", "/v1/vps/{id}/firewall/{part}")

ROUTES: Final = tuple(route for route in tuple(globals().values()) if isinstance(route, Route))
"""All routes."""
