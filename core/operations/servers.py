"""The operations on servers: list, get, status, create, start, stop, reboot."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Annotated, Final, Self, cast

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from vpsops.core.common.errors import InvalidInputError, UnchangedError
from vpsops.core.common.timings import UPTIME_FALL_SECONDS, UPTIME_MARGIN_SECONDS, UPTIME_NODES_SECONDS
from vpsops.core.operations.arguments import ArgumentKind, Arguments, ArgumentSpec
from vpsops.core.operations.counts import ServerCount, counts_of
from vpsops.core.operations.families.create import CREATE
from vpsops.core.operations.families.parts import started, stopped
from vpsops.core.operations.registry import Observation, Operation, Progress, Proof, Risk, ServerArguments, Synonyms
from vpsops.core.operations.strategies import Precheck, as_before
from vpsops.core.wayscloud.answers.labels import has_term, label_term, label_terms, label_words
from vpsops.core.wayscloud.answers.models import (
    AcceptedOperation,
    ProviderList,
    Server,
    Usage,
    same_region,
)
from vpsops.core.wayscloud.answers.states import Meaning, meaning_of_power, meaning_of_status
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.send_hook import SendHook

AFTER: Final = "|>"
BEFORE: Final = "|<"
LAST: Final = "|$"
"""Cursors: the page after a server (the sign is left out where its mark cannot be mistaken), before one, the last."""
UP_WORDS: Final = ("running", "active", "ready", "up", "on")
DOWN_WORDS: Final = ("stopped", "off", "down")
OTHER_STATES: Final = ("failed", "error", "pending", "provisioning", "starting", "stopping", "rebooting", "terminated")


class ListArguments(Arguments):
    """Which servers to list."""

    name: Annotated[str | None, Field(description="hostname part")] = None
    state: Annotated[str | None, Field(description="running, stopped, failed")] = None
    region: Annotated[str | None, ArgumentSpec(ArgumentKind.REGION, "Region"), Field(description="id or name")] = None
    label: Annotated[str | None, Field(description="key=value")] = None
    limit: Annotated[int, Field(ge=1, le=100, description="1-100")] = 20
    cursor: Annotated[str | None, Field(description="next_cursor")] = None


class ServerList(BaseModel):
    """One page of servers; `total` counts all that match, not the page."""

    model_config = ConfigDict(frozen=True)

    servers: list[Server]
    total: int
    next_cursor: str | None = None
    _skipped: int = PrivateAttr(0)
    _lacking: str = PrivateAttr("")
    _advice: str = PrivateAttr("")
    _counts: tuple[ServerCount, ...] = PrivateAttr(())

    @property
    def counts(self) -> tuple[ServerCount, ...]:
        """How many match by state, region and name, on the first page of several."""
        return self._counts

    @property
    def lacking(self) -> str:
        """What of the list is not known, in sentences; empty where all of it is."""
        return self._lacking

    @property
    def advice(self) -> str:
        """What to ask for instead, where nothing was found."""
        return self._advice

    def advised(self, advice: str) -> Self:
        """Return this list with what to ask for instead."""
        self._advice = advice
        return self

    def replaced(self, servers: list[Server]) -> Self:
        """Return this list with its servers as they were read meanwhile."""
        return self.model_copy(update={"servers": servers})

    def without(self, *lacks: str) -> Self:
        """Return this list as one of which these sentences say what is not known."""
        self._lacking = " ".join(lack for lack in (self._lacking, *lacks) if lack)
        return self

    @property
    def skipped(self) -> int:
        """How many that match come before this page."""
        return self._skipped

    @property
    def previous_cursor(self) -> str | None:
        """The cursor of the page before this one, if any."""
        return f"{BEFORE}{_mark(self.servers[0])}" if self.servers and self._skipped else None


def page(servers: Sequence[Server], query: ListArguments) -> ServerList:
    """Filter, order by hostname and cut out the page that was asked for; servers that come and go move no page."""
    matches = sorted((s for s in servers if is_matching(s, query)), key=_mark)
    start = _first(matches, query)
    selected = matches[start : start + query.limit]
    more = _after(_mark(selected[-1])) if start + len(selected) < len(matches) else None
    listed = ServerList(servers=selected, total=len(matches), next_cursor=more)
    listed._skipped = start  # noqa: SLF001 - its own module
    listed._counts = counts_of(matches) if more and not query.cursor else ()  # noqa: SLF001
    lack = f"{servers.lack}." if isinstance(servers, ProviderList) and servers.lack else ""
    return listed.without(lack, *unknown_facts(servers, query))


def unknown_facts(servers: Sequence[Server], query: ListArguments) -> list[str]:
    """Say of how many servers it is not known whether they match, by the fact that is missing."""
    named = [server for server in servers if is_named(server, query)]
    sentences = []
    for fact, lacks in (
        ("power state of {} is", lacks_power),
        ("region of {} is", lacks_region),
        ("labels of {} are", lacks_labels),
    ):
        count = sum(lacks(server, query) for server in named)
        if count:
            sentences.append(f"The {fact.format(f'{count} server' + ('s' if count > 1 else ''))} not known.")
    return sentences


def lacks_power(server: Server, query: ListArguments) -> bool:
    """Return whether a state is asked for that depends on a power which is not known."""
    words = {*UP_WORDS, *DOWN_WORDS}
    return server.power_unknown and (query.state or "").strip().lower() in words - {server.status}


def lacks_region(server: Server, query: ListArguments) -> bool:
    """Return whether a region is asked for, and that of the server is not known."""
    return bool(query.region) and server.region is None


def lacks_labels(server: Server, query: ListArguments) -> bool:
    """Return whether a label is asked for, and those of the server are not known."""
    return bool(query.label) and server.labels is None


def lacks_fact(server: Server, query: ListArguments) -> bool:
    """Return whether it takes more of a server to say whether it matches."""
    return lacks_power(server, query) or lacks_region(server, query) or lacks_labels(server, query)


def is_named(server: Server, query: ListArguments) -> bool:
    """Return whether a server has the part of a name that is asked for, if one is."""
    return not query.name or query.name.lower() in f"{server.hostname} {server.display_name or ''}".lower()


def _first(matches: list[Server], query: ListArguments) -> int:
    """Return where the page begins: after a server, before one (`BEFORE`), or at the last full step (`LAST`)."""
    cursor = query.cursor or ""
    if cursor == LAST:
        return max(len(matches) - 1, 0) // query.limit * query.limit
    if cursor.startswith(BEFORE):
        return max(bisect_left(matches, cursor.removeprefix(BEFORE), key=_mark) - query.limit, 0)
    return bisect_right(matches, cursor.removeprefix(AFTER), key=_mark) if cursor else 0


def _after(mark: str) -> str:
    return f"{AFTER}{mark}" if mark.startswith("|") else mark


def _mark(server: Server) -> str:
    return f"{server.hostname.lower()}|{server.id}".strip()  # as arguments are stripped on their way back


def is_matching(server: Server, query: ListArguments) -> bool:
    """Return whether a server has the name, state, label and region that are asked for."""
    if not is_named(server, query):
        return False
    if query.state and not in_state(server, query.state):
        return False
    if query.label and not has_term(label_terms(label_words(server.labels)), {label_term(query.label)}):
        return False
    return not query.region or (server.region is not None and same_region(server.region, query.region))


def in_state(server: Server, word: str) -> bool:
    """Return whether a server is in the state a person or a model named; any raw word works too."""
    facts = dict.fromkeys(UP_WORDS, server.ready) | dict.fromkeys(DOWN_WORDS, server.off)
    facts |= {"failed": server.failed, "error": server.failed, "pending": server.pending}
    state = word.strip().lower()
    if state in facts and (facts[state] or server.ready or server.off):
        return facts[state]
    return state in {server.state, server.status, server.power_state}  # the API's own words are not shadowed


def start_settled(seen: Observation) -> Progress:
    """A started server is up; where the power state is missing, its `status` was seen to move."""
    if seen.server.failed:
        return Progress.FAILED
    if seen.server.power_unknown and seen.in_full:
        return Progress.SETTLED if seen.status_moved else Progress.UNSEEN
    if seen.server.power_unknown:
        return Progress.NEEDS_SERVER
    return Progress.SETTLED if seen.server.ready else Progress.PENDING


def stop_settled(seen: Observation) -> Progress:
    """A stopped server is off."""
    if seen.server.failed:
        return Progress.FAILED
    if seen.server.power_unknown:
        return Progress.UNSEEN if seen.in_full else Progress.NEEDS_SERVER
    return Progress.SETTLED if seen.server.off else Progress.PENDING


def reboot_settled(seen: Observation) -> Progress:
    """A rebooted server is up, with an uptime that only a reboot explains.

    A reboot need not show as a state at all; the uptime is the only documented evidence. Where the API has none, a
    server that was seen away and is up again has rebooted; one that was never seen away shows nothing.
    """
    server = seen.server
    if server.failed:
        return Progress.FAILED
    if server.power_unknown and not seen.in_full:
        return Progress.NEEDS_SERVER
    if not (server.ready or server.power_unknown):
        return Progress.PENDING
    if seen.usage is None:
        return Progress.NEEDS_USAGE
    if _is_down(seen.usage):
        return Progress.PENDING
    if seen.usage.uptime_seconds is None and not (seen.was_away or seen.in_full):
        return Progress.NEEDS_SERVER  # a list that lags does not show it away
    if seen.usage.uptime_seconds is None:
        return Progress.SETTLED if seen.was_away else Progress.UNSEEN
    return Progress.SETTLED if _rebooted(seen, seen.usage.uptime_seconds) else Progress.PENDING


def _is_down(usage: Usage) -> bool:
    """Return whether a server's usage says that it is not up, where the list still says that it is."""
    words = (meaning_of_status(usage.status or "on"), meaning_of_power(usage.power_state or "on"))
    return any(word not in {Meaning.ON, Meaning.LIVE} for word in words)


def _rebooted(seen: Observation, uptime: int) -> bool:
    """Return whether only a reboot since the sending explains an uptime.

    Uptimes may be cached, or come from several nodes that are seconds apart, so a step back proves nothing. A reboot
    does where the uptime is no more than the seconds since the sending, and lacks more of what it should be than a
    copy does, or fell by more than two nodes are apart; or fell by more than any copy is old.
    """
    if seen.last_uptime is None:
        return uptime < seen.elapsed
    young = uptime <= seen.elapsed + UPTIME_MARGIN_SECONDS
    lacking = seen.last_uptime + seen.elapsed - uptime
    fall = seen.last_uptime - uptime
    if young and (lacking > 2 * UPTIME_MARGIN_SECONDS or fall > UPTIME_NODES_SECONDS):
        return True
    return fall > UPTIME_FALL_SECONDS


async def check_start(_api: Wayscloud, _arguments: Arguments, server: Server | None) -> Precheck:
    """Refuse to start what runs."""
    if server is not None and server.ready:
        raise UnchangedError(f"{server.hostname} is running already.")
    return Precheck()


async def check_stop(_api: Wayscloud, _arguments: Arguments, server: Server | None) -> Precheck:
    """Refuse to stop what is stopped."""
    if server is not None and server.off:
        raise UnchangedError(f"{server.hostname} is stopped already.")
    return Precheck()


async def check_reboot(_api: Wayscloud, _arguments: Arguments, server: Server | None) -> Precheck:
    """Refuse to reboot what is stopped."""
    if server is not None and server.off:
        raise InvalidInputError(f"{server.hostname} is stopped.", hint="Start it instead.")
    return Precheck()


async def _list(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> ServerList:
    return page(await api.list_servers(), cast("ListArguments", arguments))


async def _get(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> Server:
    return await api.get_server(cast("ServerArguments", arguments).server)


async def _status(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> Usage:
    return await api.server_status(cast("ServerArguments", arguments).server)


async def _start(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    return await api.start_server(cast("ServerArguments", arguments).server, departure=departure)


async def _stop(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    return await api.stop_server(cast("ServerArguments", arguments).server, departure=departure)


async def _reboot(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    return await api.reboot_server(cast("ServerArguments", arguments).server, departure=departure)


SERVERS = (
    Operation(
        name="list",
        title="List the servers",
        synonyms=Synonyms(("ls", "vms", "instances"), offered=("servers", "fleet", "inventory", "hosts", "ps")),
        summary="List the servers.",
        guidance="List servers.",
        risk=Risk.READ,
        arguments=ListArguments,
        result=ServerList,
        run=_list,
    ),
    Operation(
        name="get",
        command="show",
        synonyms=Synonyms(("info", "describe", "inspect", "details"), offered=("ssh", "ip", "address", "console")),
        summary="Show one server: plan, region, addresses, state.",
        guidance="Show a server.",
        risk=Risk.READ,
        arguments=ServerArguments,
        result=Server,
        run=_get,
    ),
    Operation(
        name="status",
        title="Show the usage of {server}",
        synonyms=Synonyms(("stats", "usage", "metrics", "uptime"), offered=("load", "top", "ping", "cpu", "memory")),
        summary="Show a server's usage now: CPU, memory, disk, network, uptime.",
        guidance="Show load and uptime.",
        risk=Risk.READ,
        arguments=ServerArguments,
        result=Usage,
        run=_status,
    ),
    CREATE,
    Operation(
        name="start",
        synonyms=Synonyms(("boot", "bootup", "poweron", "turnon", "startup"), offered=("up", "on", "wake", "launch")),
        summary="Start a stopped server.",
        guidance="Start a server.",
        risk=Risk.CHANGE,
        plannable=True,
        arguments=ServerArguments,
        result=AcceptedOperation,
        run=_start,
        effect="The server boots and is usually reachable in 30 to 60 seconds.",
        settled=start_settled,
        check=check_start,
        leads_to=started,
        fits=lambda server: not server.ready,
        idempotent=True,
        outcomes=("It started", "It did not start"),
        advice="Look with vps_get whether it runs before asking again.",
    ),
    Operation(
        name="stop",
        synonyms=Synonyms(("shutdown", "halt", "poweroff", "turnoff", "powerdown"), offered=("down", "off", "kill")),
        summary="Shut a server down. It still costs its storage.",
        guidance="Stop; storage still costs.",
        risk=Risk.DISRUPTIVE,
        leaves_down=True,
        plannable=True,
        arguments=ServerArguments,
        result=AcceptedOperation,
        run=_stop,
        effect="The server shuts down and stays down until it is started. A stopped server still costs its storage.",
        settled=stop_settled,
        check=check_stop,
        leads_to=stopped,
        fits=lambda server: not server.off,
        idempotent=True,
        outcomes=("It stopped", "It did not stop"),
        advice="Look with vps_get whether it is stopped before asking again.",
    ),
    Operation(
        name="reboot",
        synonyms=Synonyms(("restart",), offered=("reset", "cycle", "powercycle", "reload", "kick")),
        summary="Reboot a server. Connections drop for one to two minutes.",
        guidance="Reboot; connections drop.",
        risk=Risk.DISRUPTIVE,
        plannable=True,
        arguments=ServerArguments,
        result=AcceptedOperation,
        run=_reboot,
        effect="Connections drop; the server is usually back in one to two minutes.",
        settled=reboot_settled,
        check=check_reboot,
        leads_to=as_before,
        fits=lambda server: not server.off,
        proof=Proof.UPTIME,
        outcomes=("It rebooted", "It did not reboot"),
        advice="Look with vps_get and vps_status how it is, and since when, before asking again.",
    ),
)
