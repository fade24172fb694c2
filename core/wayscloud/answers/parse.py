"""Parses an answer's JSON into our models.

One unreadable entry does not hide the others: it is left out of the list, named in `Listing.unreadable` and logged. A
list without any readable entry is unreadable itself.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import structlog

from vpsops.core.wayscloud.answers import field_names, field_readers
from vpsops.core.wayscloud.answers.hostnames import same_hostname
from vpsops.core.wayscloud.answers.models import (
    JSON,
    AcceptedOperation,
    Addon,
    NewServer,
    OsTemplate,
    Plan,
    ProviderList,
    Region,
    Server,
    Usage,
)
from vpsops.core.wayscloud.answers.states import Meaning, meaning_of_status

T = TypeVar("T")
Object = Mapping[str, JSON]

logger = structlog.get_logger(__name__)


class UnreadableAnswerError(ValueError):
    """The answer is JSON, but lacks what it must hold."""


class UnexpectedShapeError(UnreadableAnswerError):
    """The answer is not the kind of object that was asked for."""


class MismatchedServerError(UnreadableAnswerError):
    """The answer names another server than the one that was asked for."""

    def __init__(self, named: object, asked: str) -> None:
        super().__init__(f"it is about {str(named)[:80]} and not about {asked[:80]}")


class MismatchedPartError(MismatchedServerError):
    """The answer names another part of the server, such as another backup."""


class DeclinedError(ValueError):
    """The answer has `success: false` or `ok: false`; `answer` holds it."""

    def __init__(self, answer: Object) -> None:
        super().__init__("the answer says that it was not done")
        self.answer = answer


def servers(json: JSON) -> ProviderList[Server]:
    """Read the list of servers."""
    return read_listing(json, field_names.SERVER_LISTS, _server)


def plans(json: JSON) -> ProviderList[Plan]:
    """Read the list of plans."""
    return read_listing(json, field_names.PLAN_LISTS, _plan)


def addons(json: JSON) -> ProviderList[Addon]:
    """Read the list of add-ons."""
    return read_listing(json, field_names.ADDON_LISTS, _addon)


def os_templates(json: JSON) -> ProviderList[OsTemplate]:
    """Read the list of operating systems."""
    return read_listing(json, field_names.OS_TEMPLATE_LISTS, _os_template)


def regions(json: JSON) -> ProviderList[Region]:
    """Read the list of regions."""
    return read_listing(json, field_names.REGION_LISTS, _region)


def server(server_id: str) -> Callable[[JSON], Server]:
    """Return a reader of one server's answer, which must be about that server."""

    def read(json: JSON) -> Server:
        parsed = _server(_unwrapped(read_object(json)))
        if not _is_same_id(parsed.id, server_id):
            raise MismatchedServerError(parsed.id, server_id)
        return parsed

    return read


def usage(server_id: str) -> Callable[[JSON], Usage]:
    """Return a reader of one server's usage, which need not name it."""

    def read(json: JSON) -> Usage:
        theirs = read_object(json)
        _check_subject(theirs, server_id, ("id", *field_names.SERVER_IDS))
        return _usage(theirs)

    return read


def _usage(theirs: Object) -> Usage:
    """Read usage figures; percentages that come as two amounts are computed."""
    ours, extra = field_names.translate(field_names.USAGE, theirs)
    for name, used, total in field_names.SHARES:
        share = _share(field_readers.number(theirs.get(used)), field_readers.number(theirs.get(total)))
        if share is not None:
            ours.setdefault(name, share)
    if not ours:
        raise UnexpectedShapeError("it holds no figure of a server")
    return Usage.model_validate({**ours, "extra": extra})


def created(new: NewServer) -> Callable[[JSON], Server]:
    """Return a reader of create's answer, which may leave out the hostname, but not name another."""

    def read(json: JSON) -> Server:
        try:
            theirs = _unwrapped(read_object(json))
        except DeclinedError as error:
            if "id" in field_names.translate(field_names.SERVER, _unwrapped(error.answer))[0]:
                raise UnreadableAnswerError("it says no, and names a server all the same") from None
            raise
        made = _server(theirs, hostname=new.hostname)
        if not same_hostname(made.hostname, new.hostname):
            raise MismatchedServerError(made.hostname, new.hostname)
        return made

    return read


def accepted(server_id: str) -> Callable[[JSON], AcceptedOperation]:
    """Return a reader of a power operation's answer, which may be empty; its words are kept and never shown.

    An `id` beside no hostname may be that of a task, and is not compared.
    """

    def read(json: JSON) -> AcceptedOperation:
        if json is None:
            return AcceptedOperation()
        theirs = read_object(json)
        _check_taken(theirs)
        inner = _unwrapped(theirs)
        named = "hostname" in field_names.translate(field_names.SERVER, inner)[0]
        _check_subject(inner, server_id, ("id", *field_names.SERVER_IDS) if named else field_names.SERVER_IDS)
        return AcceptedOperation(extra=dict(theirs))

    return read


def _check_taken(theirs: Object) -> None:
    """Raise Unreadable for a power answer that reports an error under a success code."""
    lower = {key.lower(): value for key, value in theirs.items()}
    if field_readers.flag(lower.get("success")) or field_readers.flag(lower.get("ok")):
        return
    failed = meaning_of_status(field_readers.text(lower.get("status")) or "") is Meaning.FAILED
    only_words = bool(lower) and lower.keys() <= {"detail", "message", "msg", "code", "title"} and "detail" in lower
    if failed or lower.get("error") or lower.get("errors") or only_words:
        raise UnreadableAnswerError("it speaks of an error")


def _check_subject(theirs: Object, server_id: str, names: tuple[str, ...]) -> None:
    """Raise OtherServer where an answer names another server under one of these names."""
    for key, value in theirs.items():
        if (
            key.lower() in names
            and (named := field_readers.text(value)) is not None
            and not _is_same_id(named, server_id)
        ):
            raise MismatchedServerError(named, server_id)


def _is_same_id(first: str, second: str) -> bool:
    return first.casefold() == second.casefold()


def read_object(json: JSON) -> Object:
    """Return an answer that is an object; raise DeclinedError where it says no, UnexpectedShapeError otherwise."""
    if not isinstance(json, dict):
        raise UnexpectedShapeError("it is not an object")
    lower = {key.lower(): value for key, value in json.items()}
    if field_readers.flag(lower.get("success")) is False or field_readers.flag(lower.get("ok")) is False:
        raise DeclinedError(json)
    return json


def _unwrapped(theirs: Object) -> Object:
    if any(key.lower() == "id" for key in theirs):
        return theirs
    inner = (theirs[key] for key in field_names.SERVER_WRAPPERS if key in theirs)
    return next((value for value in inner if isinstance(value, dict)), theirs)


def _server(theirs: Object, hostname: str = "") -> Server:
    ours, extra = field_names.translate(field_names.SERVER, theirs)
    identity = ours.get("id")
    if identity is None:
        raise UnreadableAnswerError("it lacks 'id'")
    # A label does not replace a missing hostname: rules match on hostnames.
    return Server.model_validate({"hostname": hostname or identity, "status": "unknown", **ours, "extra": extra})


def _plan(theirs: Object) -> Plan:
    ours, extra = field_names.translate(field_names.PLAN, theirs)
    if "code" not in ours:
        raise UnreadableAnswerError("it lacks 'plan_code'")
    return Plan.model_validate({**ours, "extra": extra})


def _addon(theirs: Object) -> Addon:
    ours, extra = field_names.translate(field_names.ADDON, theirs)
    if "code" not in ours:
        raise UnreadableAnswerError("it lacks 'code'")
    return Addon.model_validate({**ours, "extra": extra})


def _os_template(theirs: Object) -> OsTemplate:
    ours, extra = field_names.translate(field_names.OS_TEMPLATE, theirs)
    if "id" not in ours:
        raise UnreadableAnswerError("it lacks 'id'")
    return OsTemplate.model_validate({**ours, "extra": extra})


def _region(theirs: Object) -> Region:
    ours, extra = field_names.translate(field_names.REGION, theirs)
    if "code" not in ours:
        raise UnreadableAnswerError("it lacks 'id'")
    return Region.model_validate({**ours, "extra": extra})


def read_listing(json: JSON, keys: tuple[str, ...], read: Callable[[Object], T]) -> ProviderList[T]:
    """Read a list under one of these keys, or a bare one; entries that `read` cannot read are left out and named."""
    entries, total = _entries(json, keys)
    items: list[T] = []
    unreadable: list[str] = []
    for position, entry in enumerate(entries):
        try:
            items.append(read(entry) if isinstance(entry, dict) else _not_an_object())
        except UnreadableAnswerError as error:
            unreadable.append(f"entry {position}: {error}")
    if unreadable and not items:
        raise UnreadableAnswerError(unreadable[0])
    if unreadable:
        logger.warning("list_entries_unreadable", count=len(unreadable), total=len(entries), first=unreadable[0])
    return ProviderList(items, unreadable=tuple(unreadable), total=total)


def _not_an_object() -> T:  # type: ignore[type-var]
    raise UnreadableAnswerError("it is not an object")


def _entries(json: JSON, keys: tuple[str, ...]) -> tuple[list[JSON], int | None]:
    if isinstance(json, list):
        return json, None
    theirs = {key.lower(): value for key, value in read_object(json).items()}
    total = field_readers.whole(theirs.get("total"))
    for key in keys:
        inner = theirs.get(key)
        if isinstance(inner, list):
            return inner, total
        if isinstance(inner, dict):
            return _entries(inner, keys)
    if total == 0:
        return [], 0
    raise UnexpectedShapeError("it is not a list")


def _share(used: float | None, total: float | None) -> float | None:
    return None if used is None or not total else round(100 * used / total, 1)
