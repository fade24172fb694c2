"""Tools of the suite that ask the client: pushed in the handshake's era, as results since 2026-07-28."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import mcp.types as t
from mcp.server.context import HandlerResult
from mcp.shared.message import ServerMessageMetadata

from tests.conformance.plain_client import Fixture, Json, Run, fixture, text, text_result
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.mcp_server.protocol.sdk_compat import Context

Asked = t.ElicitRequest | t.CreateMessageRequest | t.ListRootsRequest


def form(message: str, properties: Json, required: Sequence[str] = ()) -> t.ElicitRequest:
    """Return a question for the client's human."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return t.ElicitRequest(params=t.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str, tokens: int) -> t.CreateMessageRequest:
    """Return a question for the client's model."""
    message = t.SamplingMessage(role="user", content=text(prompt))
    return t.CreateMessageRequest(params=t.CreateMessageRequestParams(messages=[message], max_tokens=tokens))


NAME: Final = form("What is your name?", {"name": {"type": "string"}}, ["name"])
CONFIRM: Final = form("Please confirm", {"ok": {"type": "boolean"}}, ["ok"])
ROOTS: Final = t.ListRootsRequest()


def pushes(asked: t.ElicitRequest) -> Run:
    """Return what asks while the call waits; the message is the call's own, if it brings any."""

    async def run(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
        assert isinstance(asked.params, t.ElicitRequestFormParams)
        message = (params.arguments or {}).get("message", asked.params.message)
        request = asked.model_copy(update={"params": asked.params.model_copy(update={"message": message})})
        answer = await _push(context, request, t.ElicitResult)
        return text_result(f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}")

    return run


async def push_sampling(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
    answer = await _push(context, sample(str((params.arguments or {}).get("prompt")), 100), t.CreateMessageResult)
    return text_result(f"LLM response: {answer.content.text if isinstance(answer.content, t.TextContent) else ''}")


async def _push(context: Context, request: Any, kind: type[Any]) -> Any:
    related = ServerMessageMetadata(related_request_id=context.request_id)
    return await context.session.send_request(request, kind, PATIENCE_SECONDS, related)


@dataclass(frozen=True, slots=True)
class Rounds:
    """A conversation in rounds: what each asks, whether it brings a state, and what is said in the end."""

    asked: Sequence[Mapping[str, Asked]]
    stateful: bool = False
    end: str = "Done."

    async def __call__(self, context: Context, params: t.CallToolRequestParams) -> HandlerResult:
        """Answer one round: what was not answered as asked is asked again."""
        del context
        number = int(params.request_state or 0)
        input_responses = params.input_responses or {}
        missing = [key for key in self.asked[number] if not _answers(self.asked[number][key], input_responses.get(key))]
        if self.stateful and params.request_state is None:
            missing = list(self.asked[0])
        if missing:
            return self._ask(number)
        if number + 1 < len(self.asked):
            return self._ask(number + 1)
        return text_result(
            f"{self.end} {json.dumps({key: _document(value) for key, value in input_responses.items()})}"
        )

    def _ask(self, number: int) -> t.InputRequiredResult:
        return t.InputRequiredResult(
            input_requests=dict(self.asked[number]), request_state=str(number) if self.stateful else None
        )


def _answers(asked: Asked, value: object) -> bool:
    kinds = {
        "elicitation/create": t.ElicitResult,
        "sampling/createMessage": t.CreateMessageResult,
        "roots/list": t.ListRootsResult,
    }
    return isinstance(value, kinds[asked.method])


def _document(answer: Any) -> Json:
    document: Json = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
    return document


async def ask_what_can_be_answered(context: Context, params: t.CallToolRequestParams) -> HandlerResult:
    """Ask only what the client declared."""
    if params.input_responses:
        return text_result("Done.")
    declared = context.session.client_capabilities
    asked: dict[str, Asked] = {}
    if declared is not None and declared.elicitation is not None:
        asked["user_name"] = NAME
    if declared is not None and declared.sampling is not None:
        asked["capital"] = sample("What is the capital of France?", 100)
    return t.InputRequiredResult(input_requests=dict(asked)) if asked else text_result("Nothing can be asked.")


async def prompt(params: t.GetPromptRequestParams) -> t.GetPromptResult | t.InputRequiredResult:
    """Return a prompt that needs the human's word first."""
    context = (params.input_responses or {}).get("user_context")
    if not isinstance(context, t.ElicitResult):
        asked = form("What context should the prompt use?", {"context": {"type": "string"}}, ["context"])
        return t.InputRequiredResult(input_requests={"user_context": asked})
    content = text(f"Use this context: {(context.content or {}).get('context')}")
    return t.GetPromptResult(messages=[t.PromptMessage(role="user", content=content)])


DEFAULTS: Final[Json] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
ONE_OF_THREE: Final = ["option1", "option2", "option3"]
TITLED: Final = [{"const": "value1", "title": "First Option"}, {"const": "value2", "title": "Second Option"}]
ENUMS: Final[Json] = {
    "untitledSingle": {"type": "string", "enum": ONE_OF_THREE},
    "titledSingle": {"type": "string", "oneOf": TITLED},
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ONE_OF_THREE}},
    "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
}
USER: Final[Json] = {
    "username": {"type": "string", "description": "User's response"},
    "email": {"type": "string", "description": "User's email address"},
}
SEVERAL: Final[Mapping[str, Asked]] = {
    "user_name": NAME,
    "greeting": sample("Generate a greeting", 50),
    "client_roots": ROOTS,
}
STEPS: Final[Sequence[Mapping[str, Asked]]] = (
    {"step1": form("Step 1: What is your name?", {"name": {"type": "string"}}, ["name"])},
    {"step2": form("Step 2: What is your favorite color?", {"color": {"type": "string"}}, ["color"])},
)
PREFIX: Final = "test_input_required_result_"
ASKING: Final[Sequence[Fixture]] = (
    fixture("test_sampling", push_sampling, prompt={"type": "string"}),
    fixture("test_elicitation", pushes(form("", USER, list(USER))), message={"type": "string"}),
    fixture("test_elicitation_sep1034_defaults", pushes(form("Please provide user information", DEFAULTS))),
    fixture("test_elicitation_sep1330_enums", pushes(form("Please choose", ENUMS))),
    fixture("test_streaming_elicitation", Rounds([{"user_name": NAME}])),
    fixture(f"{PREFIX}elicitation", Rounds([{"user_name": NAME}])),
    fixture(f"{PREFIX}sampling", Rounds([{"capital_question": sample("What is the capital of France?", 100)}])),
    fixture(f"{PREFIX}list_roots", Rounds([{"client_roots": ROOTS}])),
    fixture(f"{PREFIX}request_state", Rounds([{"confirm": CONFIRM}], stateful=True, end="state-ok")),
    fixture(f"{PREFIX}multiple_inputs", Rounds([SEVERAL], stateful=True)),
    fixture(f"{PREFIX}multi_round", Rounds(STEPS, stateful=True)),
    fixture(f"{PREFIX}tampered_state", Rounds([{"confirm": CONFIRM}], stateful=True)),
    fixture(f"{PREFIX}capabilities", ask_what_can_be_answered),
)
