"""Results of tool calls; failures are results too, so that the model reads them."""

from datetime import datetime, tzinfo
from typing import cast

import mcp.types as t
from pydantic import BaseModel, JsonValue

from vpsops.core.changes.fact_times import has_date, local_text, times_in
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import Refused
from vpsops.core.common.errors import VpsopsError, with_commands
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.mcp_server.presenters.changes import NOT_DONE, change_result, change_text, title
from vpsops.mcp_server.presenters.pagination import CATALOGUE, listed_field, page_from, size_limit_for
from vpsops.mcp_server.presenters.projection import ReadArguments
from vpsops.mcp_server.presenters.size_limit import LONG_ROWS, RESULT, SizeLimit, fit_result
from vpsops.mcp_server.protocol.text import join_nonempty, quote

LONGEST_SAID = 500
TOOL = "vps_{}"

ToolResult = t.CallToolResult | t.InputRequiredResult | dict[str, JsonValue]
"""The last is a task, in its wire form."""


def text_result(
    text: str, content: dict[str, JsonValue] | None = None, *, failed: bool = False, bound: SizeLimit = RESULT
) -> t.CallToolResult:
    """Return a result of one text and optional structured content, cut to the size limit."""
    fitting, short = fit_result(text, content, bound)
    return t.CallToolResult(
        content=[t.TextContent(type="text", text=fitting)], structured_content=short, is_error=failed
    )


def with_local_times(result: ToolResult, now: datetime, zone: tzinfo | None = None) -> ToolResult:
    """Repeat a result's times of day in UTC in a zone, by default that of this machine.

    Times with a date are repeated only beside one without: a model converts those, and a daily time has no date.
    """
    if not isinstance(result, t.CallToolResult) or not isinstance(result.content[0], t.TextContent):
        return result
    text = result.content[0].text
    if all(has_date(at) for at in times_in([text], now)):
        return result
    here = local_text([text], now, zone)
    if not here:
        return result
    first = result.content[0].model_copy(update={"text": f"{text}\nIn this machine's time: {here}."})
    return result.model_copy(update={"content": [first, *result.content[1:]]})


def read_result(result: BaseModel, asked: ReadArguments) -> t.CallToolResult:
    """Return the result of a read.

    Raises `InvalidInputError` for a cursor of another list.
    """
    return text_result(*page_from(result, asked), bound=_limit_for(result, asked))


def _limit_for(result: BaseModel, asked: ReadArguments) -> SizeLimit:
    if isinstance(result, ServerList):
        return size_limit_for(asked)
    return RESULT if type(result) in CATALOGUE or not listed_field(type(result)) else LONG_ROWS


def change_tool_result(of: Change, *, tools: bool, before: str = "") -> t.CallToolResult:
    """Return a change's state; a change that ended without its effect is a failure. `before` precedes the text."""
    text = join_nonempty((before, change_text(of, tools=tools)), "\n")
    return text_result(text, change_content(of, tools=tools), failed=of.state in NOT_DONE)


def change_content(of: Change, *, tools: bool) -> dict[str, JsonValue]:
    """Return a change as structured content."""
    dumped = change_result(of, tools=tools).model_dump(mode="json", exclude_none=True)
    return cast("dict[str, JsonValue]", dumped)


def not_confirmed_result(of: Change, why: str, *, tools: bool) -> t.CallToolResult:
    """Return the result of a change that a human did not confirm; `why` is the reason."""
    what = f"Not confirmed, so nothing was done: {title(of)} ({of.id}). {why}"
    return text_result(
        f"{what}\nDo not ask again unless your human wants it.", change_content(of, tools=tools), failed=True
    )


def refused_result(outcome: Refused, *, tools: bool) -> t.CallToolResult:
    """Return why the gate refused a request, and which change blocks it."""
    error_result = f"({outcome.error_id})" if outcome.error_id else ""
    open_change = f"In the way: {change_text(outcome.change, tools=tools)}" if outcome.change else ""
    text = join_nonempty((outcome.reason, with_commands(outcome.hint, TOOL), error_result), " ")
    return text_result(join_nonempty((text, open_change), "\n"), failed=True)


def error_result(raised: VpsopsError, step: str = "") -> t.CallToolResult:
    """Return an error: what happened, what to do next, and its id in the log; `step` is the call to make first."""
    return text_result(f"{join_nonempty((_in_words(raised), step), ' ')} ({raised.error_id})", failed=True)


def _in_words(raised: VpsopsError) -> str:
    """Return an error as a model reads it: the provider's own words are data, in quotation marks."""
    words = f"{raised.message} {raised.hint_with(TOOL)}".strip()
    detail = raised.detail.rstrip(".") if isinstance(raised, WayscloudError) else ""
    return words.replace(f": {detail}", f": {quote(detail, LONGEST_SAID)}", 1) if detail else words
