"""Slack's input at the edge of every bound: the bounds are written here and not read from the product."""

import math
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.fakes.clock import START, FakeClock
from tests.fakes.storage.databases import migrated
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.bot.blocks.elements import Block, Post, actions, context, header, option, plain, section
from vpsops.bot.ingress.ack_scheduler import AckScheduler
from vpsops.bot.ingress.request_verification import SlackRequestVerifier, headers_of
from vpsops.bot.ingress.worker import (
    AT_ONCE,
    LEFT_BEHIND,
    SWEEP_SECONDS,
    InboxWorker,
    QueuedDelivery,
    _Queue,
    command_key,
    event_key,
)
from vpsops.bot.protocol.payloads import EventCallback
from vpsops.bot.protocol.text_normalization import (
    abbreviate,
    mentioned_user,
    replace_first_words,
    split_command,
    strip_quotes,
    undo_slack_markup,
)
from vpsops.bot.slack_api.block_limits import Surface, fit_post, limit_violations, view_limit_violations
from vpsops.core.messaging.inbox import Inbox, InboxDelivery
from vpsops.core.storage import open_database
from vpsops.playground.slack.workspace.protocol import signature

SECRET = "a-signing-secret"
FORM = "application/x-www-form-urlencoded"
BODY = b"command=%2Fvps&user_id=U0ALICE&team_id=T0ACME&channel_id=C0OPS&trigger_id=1.2.3&text=list"


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer that a request came through."""
    await Request(scope, receive).body()
    await PlainTextResponse("through")(scope, receive, send)


async def status(body: bytes, *headers: tuple[str, str], path: str = "/slack/events") -> int:
    """Return how a guard answers."""
    guard = SlackRequestVerifier(behind, SECRET, FakeClock())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://bot.test") as client:
        return (await client.post(path, content=body, headers=[("Content-Type", FORM), *headers])).status_code


def signed(at: int, body: bytes = BODY) -> list[tuple[str, str]]:
    """Return the headers of a body that was signed some seconds from now."""
    stamp = str(int((START + timedelta(seconds=at)).timestamp()))
    return [("X-Slack-Request-Timestamp", stamp), ("X-Slack-Signature", signature(SECRET, stamp, body))]


@pytest.mark.parametrize(
    ("at", "answer"),
    [(0, 200), (-300, 200), (-301, 401), (-28_800, 401), (300, 200), (301, 401), (28_800, 401)],
)
@pytest.mark.requirement("slack-signed-only")
async def test_a_signature_is_fresh_for_five_minutes_and_not_for_hours(at: int, answer: int) -> None:
    """Either way: one of the future is as bad as one of the past."""
    assert await status(BODY, *signed(at)) == answer


@pytest.mark.parametrize(
    ("timestamp", "fresh"),
    [
        ("-300", True),
        ("-301", False),
        ("-28800", False),
        ("300", True),
        ("301", False),
        ("28800", False),
    ],
)
def test_a_timestamp_is_checked_here_and_not_by_the_sdk_alone(timestamp: str, *, fresh: bool) -> None:
    """The SDK's own check runs after this one, and a later version may lack it."""
    guard = SlackRequestVerifier(behind, SECRET, FakeClock())
    assert guard._is_fresh(str(int(START.timestamp()) + int(timestamp))) is fresh


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1e9", " 1", "\u0661", "9" * 12, "9" * 13, "9" * 5000])
def test_a_timestamp_is_a_few_digits(timestamp: str) -> None:
    """Anything else is not even read as a number."""
    assert not SlackRequestVerifier(behind, SECRET, FakeClock())._is_fresh(timestamp)


async def test_a_signature_header_that_comes_twice_counts_as_none() -> None:
    """Whichever of the two is right, and whichever of the headers it is."""
    stamp, seal = signed(0)
    for wrong in (("X-Slack-Signature", "v0=" + "0" * 64), ("X-Slack-Request-Timestamp", "1")):
        assert await status(BODY, wrong, stamp, seal) == 401
        assert await status(BODY, stamp, seal, wrong) == 401
    twice = [(b"x-slack-signature", b"a"), (b"X-Slack-Signature", b"a"), (b"accept", b"a"), (b"Accept", b"b")]
    assert headers_of({"headers": twice}) == {"accept": "b"}


@pytest.mark.parametrize(("extra", "answer"), [(0, 200), (1, 413)])
async def test_a_body_holds_a_million_bytes_and_not_one_more(extra: int, answer: int) -> None:
    """With and without a declared length."""
    body = BODY + b"&x=" + b"y" * (1_000_000 - len(BODY) - 3 + extra)
    assert await status(body, *signed(0, body)) == answer
    assert await status(body, ("Content-Length", "0"), *signed(0, body)) == answer


async def test_an_unsigned_look_at_the_certificate_is_no_way_in() -> None:
    """With a signature, or with anything else in it, it is checked as any request."""
    stamp, _ = signed(0)
    assert await status(b"ssl_check=1&token=x") == 200
    assert await status(b"ssl_check=1&token=x", stamp, ("X-Slack-Signature", "v0=" + "0" * 64)) == 401


def test_a_long_key_is_cut_and_stays_its_own() -> None:
    """Up to 200 characters stay; longer ones keep their beginning and a hash, and no two become equal."""
    assert command_key("x" * 192) == "command:" + "x" * 192
    cut = command_key("x" * 193)
    assert re.fullmatch(r"command:x{52}:[0-9a-f]{64}", cut)
    assert cut != command_key("x" * 194)
    event = EventCallback.model_validate(
        {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": {"type": "x"}}
    )
    assert event_key(event) == "event:T1:Ev1"


def test_so_much_is_in_hand_at_once() -> None:
    """Commands that wait for a slow provider hold up no click; what a dead process left is found in half a minute."""
    slots = {"command": 256, "click": 32, "submission": 32, "event": 16, "shortcut": 32, "message": 64}
    assert slots == AT_ONCE
    assert (LEFT_BEHIND, SWEEP_SECONDS) == (20.0, 10.0)


async def test_a_queue_hands_out_no_more_than_it_has_slots_for() -> None:
    """The next in line waits until one is done."""
    queue = _Queue(anyio.Semaphore(1), urgent=True)
    for number in range(2):
        queue.put(QueuedDelivery(InboxDelivery(f"k{number}", "click", {}, START)))
    taken: list[str] = []

    async def take() -> None:
        taken.append((await queue.take()).delivery.key)

    async with anyio.create_task_group() as group:
        group.start_soon(take)
        group.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        assert taken == ["k0"]
        queue.slots.release()
    assert taken == ["k0", "k1"]


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("<http://web01.example.com|web01.example.com>", "web01.example.com"),
        ("<http://web01.example.com/long/way|web01>", "web01"),
        ("<https://web01.example.com/>", "web01.example.com"),
        ("<mailto:ann@example.com|Ann>", "Ann"),
        ("<tel:123>", "123"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("a\u00a0b\tc\nd", "a b c d"),
        ("a\u200bb\x07", "ab"),
    ],
)
def test_what_was_typed_comes_back(text: str, typed: str) -> None:
    """Links become their typed text, escapes characters, any blank a blank; invisible characters are removed."""
    assert undo_slack_markup(text) == typed


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("reboot web01 because it hangs", ["reboot", "web01"], "it hangs"),
        ("reboot web01 Because: it hangs", ["reboot", "web01"], "it hangs"),
        ("reboot web01 for: a test", ["reboot", "web01"], "a test"),
        ("reboot web01 --reason=x", ["reboot", "web01"], "x"),
        ("reboot web01 \u2014reason x", ["reboot", "web01"], "x"),
        ("reboot because of", ["reboot", "because", "of"], ""),
        ("create because of growth", ["create"], "of growth"),
        ("/pause because of a drill", ["/pause"], "of a drill"),
        ("resume because: done", ["resume"], "done"),
        ("create a --plan s", ["create", "a", "--plan", "s"], ""),
        ("create a \u2014plan s", ["create", "a", "--plan", "s"], ""),
        ("reboot \u201cweb01\u201d", ["reboot", "web01"], ""),
        ('list region:"Oslo, Norway" state:off', ["list", 'region:"Oslo, Norway', "state:off"], ""),
        ('list region:"Oslo, Norway', ["list", 'region:"Oslo,', "Norway"], ""),
    ],
)
def test_words_and_the_reason_behind_them(text: str, words: list[str], reason: str) -> None:
    """A marker counts from the third word on, so that no name is taken for a marker."""
    assert split_command(text) == (words, reason)


def test_a_reason_is_kept_up_to_500_characters_and_a_text_up_to_4000() -> None:
    """Longer text is cut."""
    for length in (499, 500, 501, 3000):
        assert len(split_command(f"stop web01 because {'x' * length}")[1]) == min(length, 500)
    assert len(split_command("x" * 4000)[0][0]) == 4000
    assert len(split_command("x" * 4001)[0][0]) == 4000
    assert len(replace_first_words("x " + "y" * 4000, "z")) == 4000
    assert (abbreviate("x" * 40), abbreviate("x" * 41)) == ("x" * 40, "x" * 39 + "…")
    assert (strip_quotes("'\u201ea\u201d'"), mentioned_user("<@U0ALICE|alice>"), mentioned_user("@U0ALICE")) == (
        "a",
        "U0ALICE",
        "",
    )


def raw(kind: str, length: int) -> Block:
    """Return a text object that no helper has bounded."""
    return {"type": kind, "text": "x" * length}


def push(**other: Any) -> Block:
    return {"type": "button", "action_id": "a", "text": plain("Go"), **other}


def menu(kind: str = "static_select", **other: Any) -> Block:
    return {"type": kind, "action_id": "m", "options": [option("a", "a")], **other}


def one(element: Block) -> list[Block]:
    return [actions([element])]


def asked(**other: Any) -> list[Block]:
    return [{"type": "input", "label": plain("Name"), "element": {"type": "plain_text_input"}, **other}]


def dialog(**other: Any) -> list[Block]:
    texts = {name: plain("x") for name in ("title", "text", "confirm", "deny")}
    return one(push(confirm=texts | other))


def options(count: int) -> list[Block]:
    return [option(str(number), str(number)) for number in range(count)]


def rows(count: int, wide: int = 1, text: str = "x") -> list[Block]:
    return [{"type": "table", "rows": [[{"type": "raw_text", "text": text}] * wide] * count}]


Made = Callable[[int], list[Block]]
MOST: list[tuple[str, Surface, int, Made]] = [
    ("blocks of a message", "message", 50, lambda n: [section(plain("x"))] * n),
    ("blocks of a modal", "modal", 100, lambda n: [section(plain("x"))] * n),
    ("blocks of a home", "home", 100, lambda n: [section(plain("x"))] * n),
    ("a section", "message", 3000, lambda n: [section(raw("mrkdwn", n))]),
    ("fields", "message", 10, lambda n: [{"type": "section", "fields": [plain("x")] * n}]),
    ("a field", "message", 2000, lambda n: [{"type": "section", "fields": [raw("plain_text", n)]}]),
    ("a header", "message", 150, lambda n: [{"type": "header", "text": raw("plain_text", n)}]),
    ("a context", "message", 10, lambda n: [context(*[plain("x")] * n)]),
    ("a text of a context", "message", 3000, lambda n: [context(raw("mrkdwn", n))]),
    ("actions", "message", 25, lambda n: [actions([push(action_id=f"a{at}") for at in range(n)])]),
    ("a button", "message", 75, lambda n: one(push(text=raw("plain_text", n)))),
    ("a button's value", "message", 2000, lambda n: one(push(value="x" * n))),
    ("a button's label", "message", 75, lambda n: one(push(accessibility_label="x" * n))),
    ("an address", "message", 3000, lambda n: one(push(url="x" * n))),
    ("an action id", "message", 255, lambda n: one(push(action_id="x" * n))),
    ("a block id", "message", 255, lambda n: [section(plain("x")) | {"block_id": "x" * n}]),
    ("options", "message", 100, lambda n: one(menu(options=options(n)))),
    ("options of an overflow", "message", 5, lambda n: one(menu("overflow", options=options(n)))),
    ("an option", "message", 75, lambda n: one(menu(options=[{"text": raw("plain_text", n), "value": "a"}]))),
    ("an option's value", "message", 150, lambda n: one(menu(options=[{"text": plain("a"), "value": "x" * n}]))),
    (
        "an option's description",
        "message",
        75,
        lambda n: one(menu(options=[option("a", "a") | {"description": raw("plain_text", n)}])),
    ),
    ("a placeholder", "message", 150, lambda n: one(menu(placeholder=raw("plain_text", n)))),
    ("a dialog's title", "message", 100, lambda n: dialog(title=raw("plain_text", n))),
    ("a dialog's text", "message", 300, lambda n: dialog(text=raw("plain_text", n))),
    ("a dialog's yes", "message", 30, lambda n: dialog(confirm=raw("plain_text", n))),
    ("a dialog's no", "message", 30, lambda n: dialog(deny=raw("plain_text", n))),
    ("a label", "modal", 2000, lambda n: asked(label=raw("plain_text", n))),
    ("a hint", "modal", 2000, lambda n: asked(hint=raw("plain_text", n))),
    ("rows", "message", 100, rows),
    ("cells", "message", 20, lambda n: rows(1, n)),
    (
        "characters of a table",
        "message",
        10_000,
        lambda n: rows(2, 1, "x" * (n // 2)) if n % 2 == 0 else rows(1, 1, "x" * n),
    ),
    ("tables", "message", 1, lambda n: rows(1) * n),
    ("blocks of a name", "message", 1, lambda n: [section(plain("x")) | {"block_id": "b"}] * n),
]


@pytest.mark.parametrize(("surface", "most", "made"), [row[1:] for row in MOST], ids=[row[0] for row in MOST])
def test_slacks_bounds_are_taken_to_their_edge(surface: Surface, most: int, made: Made) -> None:
    """The bound itself fits, and one more does not."""
    assert list(limit_violations(tuple(made(most)), surface)) == []
    assert len(list(limit_violations(tuple(made(most + 1)), surface))) >= 1


@pytest.mark.parametrize("empty", [context(), actions([]), section(raw("mrkdwn", 0)), {"type": "section"}, rows(0)[0]])
def test_what_is_empty_is_not_sent(empty: Block) -> None:
    """Slack refuses it."""
    assert list(limit_violations((empty,), "message")) != []


@pytest.mark.parametrize(
    ("block", "surfaces"),
    [
        (asked()[0], "modal home"),
        (rows(1)[0], "message home"),
        (header("x"), "message modal home"),
        (section(plain("x")), "message modal home"),
        ({"type": "divider"}, "message modal home"),
        ({"type": "video"}, ""),
        ({"type": "markdown", "text": "x"}, ""),
    ],
)
def test_a_block_stands_only_where_slack_takes_it(block: Block, surfaces: str) -> None:
    """A block type that we do not send is allowed nowhere."""
    every: tuple[Surface, ...] = ("message", "modal", "home")
    assert [where for where in every if not list(limit_violations((block,), where))] == surfaces.split()


@pytest.mark.parametrize(
    ("name", "most"),
    [("callback_id", 255), ("private_metadata", 3000), ("external_id", 255), ("title", 24), ("close", 24)],
)
def test_a_views_own_words_have_their_bounds(name: str, most: int) -> None:
    """The bound itself fits, and one more does not."""
    view: Block = {"type": "modal", "title": plain("t"), "blocks": [section(plain("x"))]}
    text = name in {"title", "close"}
    for length, fits in ((most, True), (most + 1, False)):
        value: Any = raw("plain_text", length) if text else "x" * length
        assert (list(view_limit_violations(view | {name: value})) == []) is fits


def test_a_message_that_does_not_fit_keeps_its_words_and_its_controls() -> None:
    """The message gets the plainest layout, each control once, and again within the bounds."""
    push_one = actions([push()]) | {"block_id": "b"}
    plainer = fit_post(Post((push_one, push_one, *[section(plain("x"))] * 60), "words"))
    assert [block["type"] for block in plainer.blocks] == ["section", "actions"]
    many = [actions([push(action_id=f"a{number}")]) for number in range(70)]
    assert len(fit_post(Post(tuple(many), "words")).blocks) == 50
    assert len(fit_post(Post((), "x" * 4001)).text) == 4000
    assert fit_post(Post(())).text == "-"


async def test_whoever_waits_for_the_end_of_work_waits_for_what_comes_meanwhile_too(tmp_path: Path) -> None:
    """Draining ends once the last work is done, and no later."""
    clock, go = FakeClock(), anyio.Event()

    async def work(_: InboxDelivery, _payload: BaseModel | None) -> None:
        await go.wait()

    async with open_database(migrated(tmp_path / "inbox.sqlite3"), clock) as database:
        intake = InboxWorker(Inbox(database, clock), clock, work, AckScheduler(clock))
        ended: list[bool] = []
        over = anyio.Event()

        async def drain() -> None:
            ended.append(await intake.drain(math.inf))
            over.set()

        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(intake.run)
                intake.take_up(InboxDelivery("a", "click", {}, START))
                group.start_soon(drain)
                await anyio.wait_all_tasks_blocked()
                intake.take_up(InboxDelivery("b", "click", {}, START))
                intake.take_up(InboxDelivery("b", "click", {}, START))
                assert (intake.busy, ended) == (2, [])
                go.set()
                await over.wait()
                group.cancel_scope.cancel()
        assert ended == [True]


@pytest.mark.parametrize(("size", "connection"), [(10, None), (1_000_001, "close")])
async def test_a_connection_ends_where_its_body_is_not_read(size: int, connection: str | None) -> None:
    """The rest would be taken for another request; of a short one there is no rest."""
    guard = SlackRequestVerifier(behind, SECRET, FakeClock())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://bot.test") as client:
        answer = await client.post("/slack/events", content=b"x" * size, headers={"Content-Type": FORM})
    assert answer.status_code in {401, 413}
    assert answer.headers.get("connection") == connection
