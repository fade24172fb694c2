"""An agent's changes as its tasks: what a caller may see of them and do to them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import mcp.types as t
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from vpsops.core.changes.audit_entries import clean_actor
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import NotAllowedError, StaleChangeError, UnknownChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Actor
from vpsops.mcp_server.auth.access import exceeded_limit, scope_of
from vpsops.mcp_server.auth.principal import agent_from
from vpsops.mcp_server.presenters.tasks import awaits_own_human, question_key, task_from
from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.protocol.elicitation import is_yes, refusal_reason
from vpsops.mcp_server.protocol.tasks import McpTask
from vpsops.mcp_server.tools.change_flow import ORIGIN, CallContext, confirmation_evidence
from vpsops.mcp_server.tools.definitions import PREFIX

CANCEL = "vps_change_cancel"


@dataclass(frozen=True, slots=True)
class ChangeTasks:
    """An agent's changes as its tasks."""

    ctx: CallContext

    async def admit(self, context: sdk_compat.Context, method: str) -> None:
        """Count a request like a call of a tool. Raises `NotAllowedError`."""
        too_fast = await self.ctx.core.admission.admit(Request(method, {}, self._actor(context), ORIGIN))
        if too_fast is not None:
            raise NotAllowedError(too_fast.reason, hint=too_fast.hint)

    async def find(self, context: sdk_compat.Context, task_id: str) -> McpTask | None:
        """Return the state of a change of this caller."""
        change = await self._own(context, task_id)
        if change is None:
            return None
        now, tools = self.ctx.core.clock.now(), self.ctx.change_tools
        return task_from(change, self.ctx.core.timing, now, can_ask=sdk_compat.can_ask(context), tools=tools)

    async def update(self, context: sdk_compat.Context, task_id: str, answers: Mapping[str, Json]) -> bool:
        """Take the human's answer to the question that was shown; one that comes too late changes nothing."""
        change = await self._own(context, task_id)
        if change is None:
            return False
        await self._check_granted(context, f"{PREFIX}{change.operation}", change.id)
        answer = _elicited(answers.get(question_key(change)))
        if answer is None or not awaits_own_human(change) or not sdk_compat.can_ask(context):
            return True
        form_answer, actor, scope = sdk_compat.form_answer_from(answer), self._actor(context), self._scope(context)
        gate = self.ctx.core.gate
        with suppress(StaleChangeError):
            if is_yes(form_answer):
                await gate.confirm(change.id, actor, change.digest, evidence=confirmation_evidence(actor), scope=scope)
            else:
                await gate.cancel(change.id, actor, reason=refusal_reason(form_answer), scope=scope)
        return True

    async def cancel(self, context: sdk_compat.Context, task_id: str) -> bool:
        """Withdraw a change that was not sent yet; one that was sent continues, as its next poll shows."""
        change = await self._own(context, task_id)
        if change is None:
            return False
        await self._check_granted(context, CANCEL, change.id)
        with suppress(StaleChangeError):
            await self.ctx.core.gate.cancel(
                change.id, self._actor(context), reason="The client gave the task up.", scope=self._scope(context)
            )
        return True

    def _scope(self, context: sdk_compat.Context) -> Scope:
        return scope_of(self.ctx.core, self.ctx.who(context))

    def _actor(self, context: sdk_compat.Context) -> Actor:
        return clean_actor(agent_from(sdk_compat.client_name(context), self.ctx.who(context)), self.ctx.core.redactor)

    async def _own(self, context: sdk_compat.Context, task_id: str) -> Change | None:
        try:
            change = await self.ctx.core.changes.get(task_id, scope=self._scope(context))
        except UnknownChangeError:
            return None
        actor = self._actor(context)
        return change if (change.actor.id, change.actor.human) == (actor.id, actor.human) else None

    async def _check_granted(self, context: sdk_compat.Context, tool: str, change_id: str) -> None:
        """Raise the protocol's error for a caller that may not use the tool that does the same; it is on record."""
        exceeded = exceeded_limit(self.ctx.who(context), tool, alters=True)
        if exceeded is not None:
            asked = Request(tool, {"change": change_id}, self._actor(context), ORIGIN)
            refusal = await self.ctx.core.admission.refuse_for_limit(asked, exceeded)
            what = f"{tool} may not be used here: the task was left as it is. ({refusal.error_id})"
            raise MCPError(t.INVALID_REQUEST, what)


def _elicited(document: Json) -> t.ElicitResult | None:
    try:
        return t.ElicitResult.model_validate(document)
    except ValidationError:
        return None
