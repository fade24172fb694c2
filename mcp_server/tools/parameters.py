"""Parameters as hosts spell them, read once for every request: tools, prompts, resources, completions and lists.

Middleware of the server, in front of the SDK's own check of them, which knows one spelling and answers the others with
three words. Its refusals are worded here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from vpsops.core.common.json_types import Json
from vpsops.core.operations import OPERATIONS
from vpsops.mcp_server.protocol.sdk_compat import Context, invalid_params_error
from vpsops.mcp_server.protocol.text import join_nonempty, sanitize
from vpsops.mcp_server.tools.change_tools import CHANGE_TOOLS
from vpsops.mcp_server.tools.definitions import PREFIX, signature_for
from vpsops.mcp_server.tools.plan_tool import NAME as PLAN
from vpsops.mcp_server.tools.plan_tool import plan_signature
from vpsops.mcp_server.tools.signature import Signature, decode_object, is_empty

INITIALIZE: Final = "initialize"
SDK_WORDS: Final = "Invalid request parameters"
FIRST: Final = "Send `initialize` first, or a request of the revision 2026-07-28 with its `_meta`."
PROGRESS: Final = "progressToken"
LONGEST_NAME: Final = 60


class _Signatures(Mapping[str, Signature]):
    """Each tool's signature by its name, made when it is first asked for: all of them take longer than a call."""

    def __init__(self) -> None:
        self._made: dict[str, Signature] = {}
        self._makers = {
            f"{PREFIX}{operation.name}": partial(signature_for, operation) for operation in OPERATIONS.values()
        }
        self._makers[PLAN] = partial(plan_signature)
        self._makers |= {name: partial(getattr, tool, "signature") for name, tool in CHANGE_TOOLS.items()}

    def __getitem__(self, tool: str) -> Signature:
        if tool not in self._made:
            self._made[tool] = self._makers[tool]()
        return self._made[tool]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


SIGNATURES: Final[Mapping[str, Signature]] = _Signatures()
"""What each tool takes."""

Params = dict[str, Any]


async def read_parameters(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Validate a request's parameters before any other handler reads them, and word the errors."""
    if ctx.request_id is None:
        return await call_next(ctx)
    try:
        if ctx.method == INITIALIZE:  # the SDK reads its parameters a second time, as they came
            return await call_next(ctx)
        return await call_next(replace(ctx, params=read_request(ctx.method, ctx.params)))
    except ValidationError as error:
        raise invalid_params_error(describe_problem(ctx.method, error)) from None
    except MCPError as error:
        if error.error.message == SDK_WORDS:  # its only other use: a request before the handshake
            raise invalid_params_error(
                f"{sanitize(ctx.method, LONGEST_NAME)} came before the handshake. {FIRST}"
            ) from None
        raise


def read_request(method: str, params: Mapping[str, Any] | None) -> Params | None:
    """Return a request's parameters in the SDK's spelling. Raises the protocol's error for what cannot be read."""
    if params is None:
        return None
    kept = {name: value for name, value in params.items() if value is not None}
    if kept.get("cursor") == "":
        del kept["cursor"]
    if isinstance(kept.get("_meta"), dict):
        kept["_meta"] = _meta(kept["_meta"])
    reader = READERS.get(method)
    return kept if reader is None else reader(kept)


def _meta(meta: Params) -> Params:
    """Leave out an invalid progress token: the call is answered without progress."""
    token = meta.get(PROGRESS)
    good = isinstance(token, str | int) and not isinstance(token, bool)
    return {name: value for name, value in meta.items() if name != PROGRESS or good}


def _tool(params: Params) -> Params:
    name = params.get("name")
    arguments: Json = params.get("arguments")
    signature = SIGNATURES.get(name) if isinstance(name, str) else None
    return {**params, "arguments": (signature or Signature("", {})).read(arguments)}


def _prompt(params: Params) -> Params:
    name = sanitize(params.get("name", ""), LONGEST_NAME)
    read_arguments = Signature(name, {}).read(params.get("arguments"))
    return {
        **params,
        "arguments": {key: _text(f"The prompt {name}", key, value) for key, value in read_arguments.items()},
    }


def _completion(params: Params) -> Params:
    params = {name: decode_object(value) for name, value in params.items()}
    argument, context = params.get("argument"), params.get("context")
    read_argument = dict(argument) if isinstance(argument, dict) else argument
    if isinstance(read_argument, dict):
        value = read_argument.get("value")
        read_argument["value"] = "" if is_empty(value) else _text("A completion", "value", value)
    arguments = context.get("arguments") if isinstance(context, dict) else None
    known = {key: _text("A completion", key, value) for key, value in Signature("", {}).read(arguments).items()}
    return {**params, "argument": read_argument, **({"context": {"arguments": known}} if context is not None else {})}


def _text(who: str, name: str, value: Json) -> str:
    """Return a value that must be text, or a list of one; numbers and truths have one spelling."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 10**18):
        return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    raise invalid_params_error(f"{who} takes text in: {sanitize(name, LONGEST_NAME)}.")


READERS: Final[Mapping[str, Callable[[Params], Params]]] = {
    "tools/call": _tool,
    "prompts/get": _prompt,
    "completion/complete": _completion,
}


def describe_problem(method: str, error: ValidationError) -> str:
    """Return which parameters of a request are invalid."""
    places = dict.fromkeys(_place(problem["loc"]) for problem in error.errors(include_url=False, include_input=False))
    names = join_nonempty(places) or "params"
    return f"{sanitize(method, LONGEST_NAME)}: these parameters are missing or do not fit: {names}."


def _place(where: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in where if isinstance(part, int) or not part[:1].isupper()]
    return sanitize(".".join(parts), LONGEST_NAME)
