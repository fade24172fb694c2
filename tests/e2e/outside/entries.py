"""Made-up operations, one of each kind, and nothing but their entries; loaded before any front end, as a plug-in is."""

from typing import Annotated, Any, Final, cast

from pydantic import BaseModel, Field, SecretStr

from vpsops.core.common.errors import AlreadyGoneError, InvalidInputError
from vpsops.core.common.timings import Pace
from vpsops.core.operations import OPERATIONS, Operation, Risk
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import Arguments, ArgumentSpec
from vpsops.core.operations.facts import Fact, changed
from vpsops.core.operations.registry import Proof, ServerArguments
from vpsops.core.operations.servers import check_reboot, reboot_settled
from vpsops.core.operations.strategies import Inspected, Inspection, LiveState, Precheck, Sent
from vpsops.core.wayscloud.answers.models import AcceptedOperation, Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.send_hook import SendHook

Api = Wayscloud
Hook = SendHook | None


class CopyArguments(ServerArguments):
    """One copy of a server."""

    copy_id: Annotated[str, ArgumentSpec(K.BACKUP, "Copy", word="copy")]


class TitleArguments(ServerArguments):
    """A title of several words."""

    title: Annotated[str, ArgumentSpec(K.TEXT, "Title"), Field(min_length=1, max_length=60)]


class SecretAddress(BaseModel):
    """An address that is its own key."""

    address: SecretStr


async def bounce(api: Api, arguments: Arguments, hook: Hook) -> AcceptedOperation:
    """Power-like: one client call."""
    return await api.reboot_server(cast("ServerArguments", arguments).server, departure=hook)


async def drop(api: Api, arguments: Arguments, hook: Hook) -> AcceptedOperation:
    """Of a nested resource, which it removes."""
    wanted = cast("CopyArguments", arguments)
    return await api.backups.delete_backup(wanted.server, wanted.copy_id, departure=hook)


async def check_drop(api: Api, arguments: Arguments, _server: Server | None) -> Precheck:
    """The copy has to be there."""
    wanted = cast("CopyArguments", arguments)
    copies = await api.backups.list_backups(wanted.server)
    copy = next((item for item in copies if item.id == wanted.copy_id), None)
    if copy is None and not copies.complete:
        raise InvalidInputError("The list of copies is not whole.", hint="Ask again.")
    if copy is None:
        raise AlreadyGoneError(f"There is no copy {wanted.copy_id}.", hint="Look at the copies.")
    return Precheck(details=copy)


def facts_of_drop(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """The copy, and what is lost with it."""
    copy = cast("Any", live.details)
    return (Fact("Copy", cast("CopyArguments", arguments).copy_id), Fact("Size", f"{copy.size_gb or 0:g} GB"))


async def inspect_drop(api: Api, sent: Sent) -> Inspection:
    """A whole list without the copy is its end."""
    wanted = cast("CopyArguments", sent.arguments)
    copies = await api.backups.list_backups(wanted.server)
    if any(item.id == wanted.copy_id for item in copies):
        return Inspection(Inspected.NOT_DONE, "the copy is there as before")
    return Inspection(Inspected.DONE) if copies.complete else Inspection(Inspected.NOT_KNOWABLE, "the list is cut")


async def erase(api: Api, arguments: Arguments, hook: Hook) -> AcceptedOperation:
    """Removing: its success is an absence."""
    return await api.delete_server(cast("ServerArguments", arguments).server, departure=hook)


async def peek(_api: Api, arguments: Arguments, _hook: Hook) -> SecretAddress:
    """Secret: for the asker alone."""
    return SecretAddress(
        address=SecretStr(f"https://door.invalid/{cast('ServerArguments', arguments).server}?key=OPEN-SESAME")
    )


async def retitle(api: Api, arguments: Arguments, hook: Hook) -> AcceptedOperation:
    """Policy-like: one value replaces another."""
    wanted = cast("TitleArguments", arguments)
    return await api.rename_server(wanted.server, wanted.title, departure=hook)


async def check_retitle(_api: Api, arguments: Arguments, server: Server | None) -> Precheck:
    """Equal is nothing to do."""
    before = (server.display_name if server is not None else "") or ""
    if before == cast("TitleArguments", arguments).title:
        raise InvalidInputError("It is called that already.", hint="There is nothing to do.")
    return Precheck(details=before)


def facts_of_retitle(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """Before and after."""
    return (changed("Title", str(live.details), cast("TitleArguments", arguments).title),)


async def inspect_retitle(api: Api, sent: Sent) -> Inspection:
    """The server itself shows it."""
    server = await api.get_server(sent.target.id)
    done = server.display_name == cast("TitleArguments", sent.arguments).title
    return Inspection(Inspected.DONE if done else Inspected.NOT_DONE)


MADE_UP: Final = (
    Operation(
        name="bounce",
        summary="Bounce a server.",
        guidance="Bounce a server.",
        risk=Risk.DISRUPTIVE,
        arguments=ServerArguments,
        result=AcceptedOperation,
        run=bounce,
        effect="It bounces.",
        settled=reboot_settled,
        check=check_reboot,
        proof=Proof.UPTIME,
    ),
    Operation(
        name="copy_drop",
        command="discard",
        summary="Drop a copy.",
        guidance="Drop a copy.",
        risk=Risk.DISRUPTIVE,
        arguments=CopyArguments,
        result=AcceptedOperation,
        run=drop,
        effect="The copy is gone for good.",
        toolset="copies",
        check=check_drop,
        describe=facts_of_drop,
        inspect=inspect_drop,
        removes=True,
    ),
    Operation(
        name="erase",
        summary="Erase a server.",
        guidance="Erase a server.",
        risk=Risk.DISRUPTIVE,
        arguments=ServerArguments,
        result=AcceptedOperation,
        run=erase,
        effect="The server is gone for good.",
        removes=True,
        pace=Pace.POWER,
        outcomes=("It was erased", "It was not erased"),
        documented=False,
    ),
    Operation(
        name="peek",
        summary="Show a door.",
        guidance="Show a door.",
        risk=Risk.READ,
        arguments=ServerArguments,
        result=SecretAddress,
        run=peek,
        secret=True,
    ),
    Operation(
        name="retitle",
        summary="Give a server a title.",
        guidance="Give a server a title.",
        risk=Risk.CHANGE,
        arguments=TitleArguments,
        result=AcceptedOperation,
        run=retitle,
        effect="The title is replaced.",
        check=check_retitle,
        describe=facts_of_retitle,
        inspect=inspect_retitle,
    ),
)
OPERATIONS.include(MADE_UP)
