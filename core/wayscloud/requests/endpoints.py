"""The documented path of each operation, and facts about its answers."""

from dataclasses import dataclass, replace
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Route:
    """One operation's address. `doing` completes the sentence "WAYSCloud would not …"."""

    name: str
    doing: str
    method: Literal["GET", "POST"]
    path: str
    server_id: str = ""
    query: tuple[tuple[str, str], ...] = ()  # of a page of a list
    optional: bool = False
    tries_unsent: int = 1

    @property
    def names_server(self) -> bool:
        """Return whether a 404 here is about a server, and not about the route."""
        return "{id}" in self.path

    @property
    def url_path(self) -> str:
        """Return the documented path, filled in."""
        return self.path.replace("{id}", self.server_id)

    @property
    def other_path(self) -> str:
        """Return the path with its trailing slash added, or taken away."""
        path = self.url_path
        return path.removesuffix("/") if path.endswith("/") else f"{path}/"

    def page(self, query: tuple[tuple[str, str], ...]) -> "Route":
        """Return this route for another page of its list."""
        return replace(self, query=query)

    def of(self, server_id: str) -> "Route":
        """Return this route for one server; the id is already validated."""
        return replace(self, server_id=server_id)


# Documented paths. The official clients disagree with them, and with each other, about trailing slashes.
SERVERS: Final = Route("list_servers", "list the servers", "GET", "/v1/vps")
PLANS: Final = Route("list_plans", "list the plans", "GET", "/v1/vps/plans/")
OS_TEMPLATES: Final = Route("list_os_templates", "list the operating systems", "GET", "/v1/vps/os-templates")
REGIONS: Final = Route("list_regions", "list the regions", "GET", "/v1/vps/regions", optional=True)
SERVER: Final = Route("get_server", "show the server", "GET", "/v1/vps/{id}")
STATUS: Final = Route("server_status", "show the server's usage", "GET", "/v1/vps/{id}/status")
CREATE: Final = Route("create_server", "create the server", "POST", "/v1/vps")
START: Final = Route("start_server", "start the server", "POST", "/v1/vps/{id}/start", tries_unsent=3)
STOP: Final = Route("stop_server", "stop the server", "POST", "/v1/vps/{id}/stop", tries_unsent=3)
REBOOT: Final = Route("reboot_server", "reboot the server", "POST", "/v1/vps/{id}/reboot", tries_unsent=3)
