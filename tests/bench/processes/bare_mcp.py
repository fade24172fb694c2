"""A bare server of ten typed tools with the SDK's own means; nine answer from memory, `vps_get` asks the provider."""

import os
import sys
from typing import Annotated, Any, Final

import httpx
from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

server = MCPServer("bare", instructions="Servers of one account.")
Which = Annotated[str, Field(description="hostname or id of a server")]
WEB: Final = "b5c6d7e8-f9a0-1234-5678-90abcdef1234"


class BareServer(BaseModel):
    """A server."""

    id: str
    hostname: str
    status: str
    ipv4: str | None = None


class Servers(BaseModel):
    """Some servers."""

    servers: list[BareServer]


class BareOutcome(BaseModel):
    """What was done."""

    ok: bool
    change: str


FLEET: Final = [
    BareServer(id=WEB, hostname="web01.example.com", status="running"),
    BareServer(id="2", hostname="db01", status="running"),
]
provider = httpx.AsyncClient(
    base_url=os.environ.get("WAYSCLOUD_API_URL", "http://127.0.0.1:1"),
    headers={"X-API-Key": os.environ.get("WAYSCLOUD_API_KEY", "")},
    follow_redirects=True,
)


@server.tool()
async def vps_get(server: Which) -> BareServer:
    """Show one server."""
    listed: Any = (await provider.get("/v1/vps")).raise_for_status().json()
    result = next(entry for entry in entries(listed) if entry["hostname"].startswith(server))
    full: Any = (await provider.get(f"/v1/vps/{result['id']}")).raise_for_status().json()
    return BareServer.model_validate({**result, **full})


def entries(listed: Any) -> list[dict[str, Any]]:
    """Return the servers of a list, bare or wrapped."""
    if isinstance(listed, list):
        return listed
    return next(value for value in listed.values() if isinstance(value, list))


@server.tool()
async def vps_list(state: str = "") -> Servers:
    """List servers."""
    return Servers(servers=[item for item in FLEET if state in item.status])


def power(name: str) -> None:
    """Add a tool that alters a server."""

    async def act(server: Which, reason: str = "") -> BareOutcome:
        return BareOutcome(ok=True, change=f"{server}{reason}")

    server.tool(name=name, description=f"{name.removeprefix('vps_')} a server")(act)


for each in (
    "vps_start",
    "vps_stop",
    "vps_reboot",
    "vps_create",
    "vps_status",
    "vps_plans",
    "vps_regions",
    "vps_os_templates",
):
    power(each)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run()
