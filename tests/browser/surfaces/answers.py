"""Answers about servers and what can be ordered, as a person gets them."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from tests.browser.surfaces.samples import (
    ADDONS,
    ADDRESS,
    HOST,
    KEPT,
    OFFERED,
    SERVERS,
    STOCK,
    TABLE,
)
from tests.unit.bot.changes_in_every_state import NOW
from vpsops.bot.blocks.elements import Post, shared_copy
from vpsops.bot.features.operations import result_post
from vpsops.bot.messages.catalogue import addons_table, plans_table, regions_table, systems_table
from vpsops.bot.messages.ephemeral import (
    command_suggestions,
    precondition_note,
    server_suggestions,
    time_choice,
)
from vpsops.bot.messages.results import WholeList, result_page, server_table
from vpsops.bot.messages.servers import OperationCall, server_choice, server_details, server_page, usage_page
from vpsops.core.common.errors import PreconditionError, Remedy, UnknownServerError
from vpsops.core.operations.servers import ServerList
from vpsops.core.schedule.time_words import UnclearTimeError
from vpsops.core.wayscloud.answers.models import Usage


def answered(operation: str, answer: BaseModel) -> Post:
    return result_post(answer, OperationCall(operation, {"server": HOST}, HOST), NOW)


def answers() -> Mapping[str, tuple[str, Post]]:
    """Return them by name, each with its caption."""
    return {**_servers(), **_slips(), **_offers()}


def _servers() -> Mapping[str, tuple[str, Post]]:
    listed = OperationCall("list", {})
    usage = Usage(
        status="running",
        uptime_seconds=93_600,
        cpu_percent=37.0,
        memory_percent=81.0,
        disk_percent=12.0,
        network_in_bytes=7_100_000_000,
        network_out_bytes=900_000_000,
    )
    return {
        "list": ("`/vps list`", server_page(ServerList(servers=SERVERS, total=24, next_cursor="4"), listed, OFFERED)),
        "list-table": (
            "The button below it, *All 24 as a table*; here the first eight",
            server_table(WholeList(TABLE, 24), listed),
        ),
        "list-shared": (
            "The same list, shared with a channel",
            shared_copy(server_page(ServerList(servers=SERVERS, total=4), listed), "<@U0ALICE>"),
        ),
        "show": ("`/vps show web01`", server_details(SERVERS[0], OperationCall("get", {"server": "srv-1"}), OFFERED)),
        "status": ("`/vps status web01`", usage_page(HOST, usage, OperationCall("status", {"server": "srv-1"}))),
    }


TWICE: Final = ("at 2026-10-25 02:30 +02:00", "at 2026-10-25 02:30 +01:00")


def _unclear_time() -> Post:
    words = "That time is shown twice by the clocks there (Europe/Oslo), as summer time begins or ends."
    return time_choice(UnclearTimeError(words, TWICE), TWICE, OperationCall("reboot", {"server": "web01"}).value)


def _slips() -> Mapping[str, tuple[str, Post]]:
    missing = UnknownServerError("web1", [HOST, "web02.example.com"])
    missing.error_id = "err_0a1b2c3d"
    running = PreconditionError(
        f"{HOST} is running; only a stopped server can be rolled back.",
        Remedy("stop", {"server": "srv-1"}, HOST),
        hint="Stop it first, as a change of its own; then ask again.",
    )
    running.error_id = "err_4e5f6a7b"
    rollback = OperationCall("snapshot_rollback", {"server": HOST, "snapshot": "monday"}).value
    return {
        "choice": (
            "A name that means several servers",
            server_choice(
                "web", "reboot", [(server.id, server.hostname) for server in SERVERS[:2]], {"why": "disk swap"}
            ),
        ),
        "suggestions": ("A name that means none", server_suggestions(missing, "reboot", missing.nearest)),
        "unclear-time": ("A time that clocks show twice", _unclear_time()),
        "stop-first": (
            "A rollback of a server that runs",
            precondition_note(running, OperationCall("stop", {"server": "srv-1"}).value, rollback),
        ),
        "near": (
            "A word that means none",
            command_suggestions("Unknown command 'rebot'. Nothing was run.", "", ["reboot web01"]),
        ),
    }


def _offers() -> Mapping[str, tuple[str, Post]]:
    return {
        "plans": ("`/vps plans`", plans_table(STOCK.plans)),
        "os": ("`/vps os`", systems_table(STOCK.systems)),
        "regions": ("`/vps regions`", regions_table(STOCK.regions)),
        "addons": ("`/vps addons`", addons_table(ADDONS)),
        "snapshots": ("`/vps snapshots web01`", answered("snapshots", KEPT)),
        "backup-download": ("`/vps backup-download web01 0f8e7d6c`, for who asked alone", result_page(ADDRESS, None)),
    }
