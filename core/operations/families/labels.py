"""Set and remove labels of a server. No page of the provider documents this; its SDK does it.

The provider replaces the whole map, so a request is resolved to all labels that there are to be, and to those that go:
that is what people are shown, what is hashed and what is sent. Labels that changed since make other words of the same
request, another digest, and supersede it. A server whose labels the API does not show cannot be labelled.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, cast

from pydantic import Field

from vpsops.core.common.errors import InvalidInputError, UnchangedError
from vpsops.core.common.redaction import MASK
from vpsops.core.common.text import one_line, quoted
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import Arguments, ArgumentSpec
from vpsops.core.operations.facts import Fact, changed, with_values
from vpsops.core.operations.families.parts import server_of
from vpsops.core.operations.registry import Operation, Risk, ServerArguments, Synonyms
from vpsops.core.operations.strategies import Inspected, Inspection, LiveState, Precheck, Sent
from vpsops.core.wayscloud.answers.models import AcceptedOperation, Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook

MOST: Final = 64
"""Labels of one server; ours, as no source has the provider's bound. So are those of keys and values."""
MOST_WORDS: Final = 2 * MOST
LONGEST: Final = 63
LISTED: Final = 20
KEY: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
VALUE: Final = re.compile(r"[^\W_](?:[\w ./@:+-]{0,61}[^\W_])?")
WRITE: Final = "Write team=shop to set a label, team- to remove it."


class LabelArguments(ServerArguments):
    """A server, and its labels: `key=value` is there afterwards, `key-` goes."""

    labels: Annotated[
        tuple[str, ...],
        ArgumentSpec(K.LABELS, "Labels"),
        Field(max_length=MOST_WORDS, description="key=value sets, key- removes"),
    ]


@dataclass(frozen=True, slots=True)
class LabelEdit:
    """What is to be set, and which keys are to be removed."""

    values: Mapping[str, str]
    removals: tuple[str, ...]


def edit_of(words: Sequence[str]) -> LabelEdit:
    """Read label words; raises `InvalidInputError` for one that is none, and for a key that is there twice."""
    values: dict[str, str] = {}
    removals: list[str] = []
    for word in words:
        key, sign, value = word.partition("=")
        key = key if sign else word.removesuffix("-").lstrip("-")
        if not key or not (sign or key != word):
            raise InvalidInputError(f"{quoted(word, LONGEST)} is no label.", hint=WRITE)
        if key in values or key in removals:
            raise InvalidInputError(f"The label {quoted(key, LONGEST)} is there twice.", hint=WRITE)
        if sign:
            values[key] = value
        else:
            removals.append(key)
    return LabelEdit(values, tuple(removals))


async def check_label(_api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Resolve the words to all labels there are to be; refuse what is no label, and what changes nothing."""
    of, labelled = server_of(server), cast("LabelArguments", arguments)
    before = _known_labels(of)
    edit = _normalised(edit_of(labelled.labels), before)
    _check_edit(of, before, edit)
    after = {key: value for key, value in {**before, **edit.values}.items() if key not in edit.removals}
    if after == before:
        raise UnchangedError(f"{of.hostname} has these labels already.")
    if len(after) > MOST:
        raise InvalidInputError(f"A server has at most {MOST} labels.", hint="Remove some in the same request.")
    for key in before.keys() & after.keys():
        _check_carried(of, key, before[key])
    words = [f"{key}={after[key]}" for key in sorted(after)] + [f"{key}-" for key in sorted(edit.removals)]
    return Precheck(arguments=labelled.model_copy(update={"labels": tuple(words)}))


def _normalised(edit: LabelEdit, before: Mapping[str, str]) -> LabelEdit:
    """Return an edit with new values in their composed spelling; those that stay are sent back as they are."""
    values = {
        key: value if before.get(key) == value else unicodedata.normalize("NFC", value)
        for key, value in edit.values.items()
    }
    return LabelEdit(values, edit.removals)


def _known_labels(server: Server) -> Mapping[str, str]:
    if server.labels is None:
        raise InvalidInputError(
            f"The API does not show the labels of {server.hostname}.",
            hint="A change replaces all of them, so those that it has now would be lost. Nothing was asked for.",
        )
    return server.labels


def _check_edit(server: Server, before: Mapping[str, str], edit: LabelEdit) -> None:
    """Raise `InvalidInputError` for a key or value out of bounds, one in another case, and a removal of nothing."""
    for key, value in edit.values.items():
        if before.get(key) != value and not (KEY.fullmatch(key) and VALUE.fullmatch(value)):
            raise InvalidInputError(
                f"{quoted(f'{key}={value}', 2 * LONGEST)} is no label.",
                hint=f"A key has 1 to {LONGEST} letters, digits and . _ / -, a value letters of any language, digits, "
                "spaces and . _ / @ : + -; both begin and end with a letter or digit.",
            )
        other = next((name for name in before if name != key and name.casefold() == key.casefold()), None)
        if other is not None and other not in edit.removals and key not in before:
            raise InvalidInputError(
                f"{server.hostname} has the label {quoted(other, LONGEST)}, which differs in its case alone.",
                hint="Rules do not tell them apart. Write it as it is there, or remove that one in the same request.",
            )
    missing = [key for key in edit.removals if key not in before]
    if missing:
        raise InvalidInputError(
            f"{server.hostname} has no label {quoted(missing[0], LONGEST)}.",
            hint=f"It has {', '.join(_label(key, before[key]) for key in sorted(before)[:LISTED]) or 'none'}.",
        )


def _check_carried(server: Server, key: str, value: str) -> None:
    """Raise `InvalidInputError` for a label that would not be the same after it was read and sent back."""
    word = f"{key}={value}"
    if "=" in key or MASK in word or one_line(word, len(word)) != word or not key:
        raise InvalidInputError(
            f"{server.hostname} has a label that cannot be sent back as it is: {_label(key, value)}.",
            hint="A change replaces all labels. Change this one at the provider first.",
        )


def _label(key: str, value: str) -> str:
    return f"{one_line(key, LONGEST)}={_shown_value(value)}" if KEY.fullmatch(key) else quoted(f"{key}={value}", 80)


def _shown_value(value: str) -> str:
    return value if VALUE.fullmatch(value) else quoted(value, LONGEST)


def describe_label(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """State each label that changes, before and after, and those that stay."""
    edit = edit_of(cast("LabelArguments", arguments).labels)
    before = (live.server.labels if live.server is not None else None) or {}
    after: dict[str, str | None] = {**edit.values, **dict.fromkeys(edit.removals)}
    facts = [
        changed(f"Label {one_line(key, LONGEST)}", _value_words(before.get(key)), _value_words(after[key]))
        for key in sorted(after)
        if before.get(key) != after[key]
    ]
    stay = [_label(key, before[key]) for key in sorted(before) if after.get(key, before[key]) == before[key]]
    more = f" and {len(stay) - LISTED} more" if len(stay) > LISTED else ""
    return (*facts, Fact("Other labels", f"{', '.join(stay[:LISTED])}{more}" if stay else ""))


def labelled(server: Server, arguments: Arguments, _details: object) -> Server:
    """Return a server with the labels of a resolved request, which are all there are to be."""
    return server.model_copy(update={"labels": dict(edit_of(cast("LabelArguments", arguments).labels).values)})


def _value_words(value: str | None) -> str:
    return "" if value is None else _shown_value(value)


async def inspect_label(api: Wayscloud, sent: Sent) -> Inspection:
    """Compare the labels that the server has with those before and after."""
    server = await api.get_server(sent.target.id)
    if server.labels is None:
        return Inspection(Inspected.NOT_KNOWABLE, "The API does not show the server's labels.")
    edit = edit_of(cast("LabelArguments", sent.arguments).labels)
    if server.labels == edit.values:
        return Inspection(Inspected.DONE, "The labels are as asked for.")
    if with_values(describe_label(sent.arguments, LiveState(server))) == sent.facts:
        return Inspection(Inspected.NOT_DONE, "The labels are as they were.")
    return Inspection(Inspected.AMBIGUOUS, "The labels are neither as they were nor as asked for.")


async def _label_server(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    labelled = cast("LabelArguments", arguments)
    return await api.label_server(labelled.server, edit_of(labelled.labels).values, departure=departure)


LABELS: Final = (
    Operation(
        name="label",
        title="Change the labels of {server}",
        synonyms=Synonyms(("tag",), offered=("labels", "tags", "untag", "unlabel")),
        toolset="lifecycle",
        summary="Set or remove labels of a server, such as team=shop.",
        guidance="Set or remove a server's labels.",
        risk=Risk.CHANGE,
        plannable=True,
        arguments=LabelArguments,
        result=AcceptedOperation,
        run=_label_server,
        effect="The server has these labels; rules, limits and filters that name labels follow them.",
        check=check_label,
        describe=describe_label,
        inspect=inspect_label,
        leads_to=labelled,
        documented=False,
        idempotent=True,
        outcomes=("It was labelled", "It was not labelled"),
        done="{hostname} is labelled.",
        advice="Look with vps_get at its labels before asking again.",
        routes=(endpoints.LABEL,),
    ),
)
