"""What is known of an operation by its stored name, which a newer version may have written."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from vpsops.core.common.json_types import Json
from vpsops.core.operations import OPERATIONS, Operation, Risk
from vpsops.core.operations.arguments import ArgumentKind, Arguments
from vpsops.core.operations.registry import NoArguments, Proof
from vpsops.core.operations.target import GRANT, PLAN, Target, is_grant_request, planned_in, single_operation
from vpsops.core.wayscloud.requests.send_hook import SendHook

if TYPE_CHECKING:
    from vpsops.core.wayscloud.client import Wayscloud

GRANT_EFFECT: Final = (
    "Until the grant ends, this agent may do it without votes. Each use is checked, recorded and shown like any change."
)


async def _never_run(_api: "Wayscloud", _arguments: Arguments, _departure: SendHook | None) -> BaseModel:
    """Stand for the call of what is never sent: its changes end without a send, or have members that are sent."""
    raise RuntimeError("a plan or a grant is never sent to the provider")


def plan_of(operation: Operation) -> Operation:
    """Return the entry by which a plan of an operation is stored; it is never sent to the provider."""
    effect = f"For each server: {operation.effect[:1].lower()}{operation.effect[1:]}" if operation.effect else ""
    return replace(operation, name=f"{PLAN}{operation.name}", effect=effect)


def grant_request_of(operation: Operation) -> Operation:
    """Return the entry by which a request for a grant of an operation is stored; it is never sent to the provider."""
    return replace(operation, name=f"{GRANT}{operation.name}", effect=GRANT_EFFECT)


RUNBOOK: Final = Operation(
    name=f"{PLAN}runbook",
    title="Run {server}",
    summary="Run the steps of a runbook.",
    guidance="",
    risk=Risk.DISRUPTIVE,
    arguments=NoArguments,
    result=NoArguments,
    run=_never_run,
)
"""The entry by which a runbook is stored, a plan of different operations; it is never sent either."""


def entry_of_plan(name: str) -> Operation | None:
    """Return the entry of a plan by its stored name; None where this version does not know its operation."""
    if name == RUNBOOK.name:
        return RUNBOOK
    operation = OPERATIONS.get(planned_in(name))
    return plan_of(operation) if operation is not None and operation.plannable else None


def _described(name: str) -> Operation | None:
    """Return the entry that describes a stored name: for a plan that of its members, for a grant what it allows."""
    if name == RUNBOOK.name:
        return RUNBOOK
    return OPERATIONS.get(single_operation(name))


def entry_of(name: str) -> Operation | None:
    """Return the entry of a stored name; None for an operation that this version does not know."""
    return OPERATIONS.get(name)


def title_of(name: str, server: str) -> str:
    """Return what an operation does to a server, as an order: `Allow traffic to web01`."""
    operation = _described(name)
    title = operation.titled(server) if operation is not None else f"{_words(single_operation(name))} {server}"
    return _as_grant(title) if is_grant_request(name) else title


def action_of(name: str) -> str:
    """Return what an operation does, where its server is named beside: `Allow traffic`."""
    operation = _described(name)
    action = operation.action if operation is not None else _words(single_operation(name))
    return _as_grant(action) if is_grant_request(name) else action


def _as_grant(words: str) -> str:
    return f"Grant to {words[:1].lower()}{words[1:]}"


def word_of(name: str) -> str:
    """Return the word of people for an operation."""
    operation = OPERATIONS.get(name)
    return operation.word if operation is not None else name


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()


def makes_server(name: str) -> bool:
    """Return whether an operation makes a server, which is found by its hostname."""
    operation = OPERATIONS.get(name)
    return operation is not None and operation.makes_server


def removes(name: str) -> bool:
    """Return whether an operation succeeds by the absence of what it was about."""
    operation = OPERATIONS.get(name)
    return operation is not None and operation.removes


def is_inspected(name: str) -> bool:
    """Return whether an operation reads by itself what became of its changes."""
    operation = OPERATIONS.get(name)
    return operation is not None and operation.inspect is not None


def shows_by_uptime(name: str) -> bool:
    """Return whether only an uptime shows that an operation was done."""
    operation = OPERATIONS.get(name)
    return operation is not None and operation.proof is Proof.UPTIME


def makers_of_servers() -> tuple[str, ...]:
    """Return the names of the operations that make servers."""
    return tuple(name for name, operation in OPERATIONS.items() if operation.makes_server)


def risk_of(name: str) -> Risk:
    """Return an operation's risk; the greatest for one that this version does not know."""
    operation = _described(name)
    return operation.risk if operation is not None else Risk.DESTRUCTIVE


def outcomes_of(name: str) -> tuple[str, str]:
    """Return what a person may say of an operation with an unknown outcome: it happened, or it did not."""
    operation = OPERATIONS.get(name)
    return operation.outcomes if operation is not None else ("It happened", "It did not happen")


def success_of(name: str, target: Target) -> str:
    """Return an operation's own sentence of success, or ""."""
    operation = OPERATIONS.get(name)
    return operation.done.format(hostname=target.hostname) if operation is not None else ""


def advice_of(name: str) -> str:
    """Return what a model does after a failure before it asks again, or ""."""
    operation = OPERATIONS.get(name)
    return operation.advice if operation is not None else ""


def typed_name_of(name: str, arguments: Mapping[str, Json], target: Target) -> str:
    """Return the name that is typed to agree to an operation."""
    operation = OPERATIONS.get(name)
    return operation.typed_name(arguments, target) if operation is not None else target.hostname


def lister_of(kind: ArgumentKind) -> Operation | None:
    """Return the read whose result holds the values of a kind of argument."""
    return next((operation for operation in OPERATIONS.values() if operation.lists is kind), None)


def is_documented(name: str) -> bool:
    """Return whether the provider documents what an operation calls; of an unknown one it is not said."""
    operation = _described(name)
    return operation is None or operation.documented
