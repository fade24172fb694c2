"""A choice between servers or times asks for the same as before, for every operation: nothing typed is lost."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from tests.unit.core.operations.drawn_arguments import arguments_with, draw_values
from vpsops.bot.blocks.elements import Block, Post, unpack
from vpsops.bot.features.operations import LONGEST_REASON, OperationRequest, operation_request_from
from vpsops.bot.messages.ephemeral import server_suggestions, time_choice
from vpsops.bot.messages.servers import server_choice
from vpsops.core.common.errors import InvalidInputError, UnknownServerError
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import arguments_of
from vpsops.playground.slack.rendering.limits import check_message

OF_SERVERS: Final = [
    operation.name
    for operation in OPERATIONS.values()
    if any(argument.name == "server" for argument in arguments_of(operation.arguments))
]
CANDIDATES: Final = [("a1", "web01.example.com"), ("b2", "web02.example.com")]
NAMES: Final = [name for _, name in CANDIDATES]
UNKNOWN: Final = UnknownServerError("web", NAMES)
UNCLEAR: Final = InvalidInputError("That time is there twice.")
TIMES: Final = ["02:30 +02:00", "02:30 +01:00"]


def choices(request: OperationRequest) -> dict[str, Post]:
    """Return what a person may be asked about a request."""
    name, arguments, words = request.operation, request.arguments, request.words
    return {
        "several": server_choice("web", name, CANDIDATES, words, arguments),
        "unknown": server_suggestions(UNKNOWN, name, NAMES, words, arguments),
        "time": time_choice(UNCLEAR, TIMES, {"op": name, "args": dict(arguments), **words}),
    }


def buttons(post: Post) -> list[Block]:
    return [item for block in post.blocks if block["type"] == "actions" for item in block["elements"]]


def words_of(post: Post) -> str:
    return " ".join(block["text"]["text"] for block in post.blocks if block["type"] == "section")


@pytest.mark.requirement("menus-of-a-server")
@pytest.mark.parametrize("name", OF_SERVERS)
@given(st.data())
@settings(max_examples=examples(4))
def test_a_choice_keeps_every_other_argument(name: str, data: st.DataObject) -> None:
    """Each button's request differs from what was typed in the server, or in the time, alone."""
    typed: dict[str, Any] = draw_values(data, OPERATIONS[name])
    stored: Mapping[str, Any] = arguments_with(name, typed).model_dump(mode="json", exclude_none=True)
    reason = data.draw(st.sampled_from(["it hangs", "x" * LONGEST_REASON]))
    request = OperationRequest(name, {**stored, "server": "web"}, reason, later="at 02:30")
    for kind, post in choices(request).items():
        asked = [operation_request_from(unpack(item["value"]), replace=False) for item in buttons(post)]
        servers = {"several": ["a1", "b2"], "unknown": NAMES, "time": ["web", "web"]}[kind]
        times = TIMES if kind == "time" else ["at 02:30"] * 2
        assert asked == [
            OperationRequest(name, {**request.arguments, "server": server}, request.reason, later=time)
            for server, time in zip(servers, times, strict=True)
        ]


LONG: Final = OperationRequest("label", {"server": "web", "labels": [f"{n:060}={n:060}" for n in range(30)]}, "x" * 500)


@pytest.mark.parametrize("kind", ["several", "unknown", "time"])
def test_more_than_a_button_holds_is_asked_for_in_words(kind: str) -> None:
    """Slack takes the message; no button asks for a part of it, and the names or times to type are there."""
    post = choices(LONG)[kind]
    assert not check_message({"text": post.text, "blocks": list(post.blocks)})
    assert buttons(post) == []
    assert all(word in words_of(post) for word in (TIMES if kind == "time" else NAMES))
