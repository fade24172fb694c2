"""Redacts configured secrets in every request before it is processed, and in the errors that answer it."""

from dataclasses import dataclass, replace

from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError

from vpsops.core.common.redaction import Redactor
from vpsops.mcp_server.protocol.sdk_compat import Context


@dataclass(frozen=True, slots=True)
class RedactionMiddleware:
    """Middleware of the server: names, arguments, addresses and reasons come in without secrets."""

    redactor: Redactor

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Handle a request or a notification; an unknown method's name is part of an error."""
        try:
            return await call_next(replace(ctx, params=self.redactor.json(ctx.params)))
        except MCPError as error:
            words, data = self.redactor.text(error.error.message), self.redactor.json(error.error.data)
            raise MCPError(error.error.code, words, data) from None
