"""An app that sends every block there is, and a page of the playground that shows it to people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.unit.playground.slack.apps import bolt_app, over_http
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.wayscloud.serve import listen
from vpsops.playground.web.asgi_server import served
from vpsops.playground.web.runtime import RuntimeOptions, running_ground

Json = dict[str, Any]
HOSTILE = "<img src=x onerror=alert(1)>"


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def options(*names: str) -> list[Json]:
    return [{"text": plain(name.capitalize()), "value": name} for name in names]


CONFIRM: Json = {
    "title": plain("Sure?"),
    "text": plain("It is gone then."),
    "confirm": plain("Go"),
    "deny": plain("Stay"),
}
RICH: Json = {
    "type": "rich_text",
    "elements": [
        {
            "type": "rich_text_section",
            "elements": [
                {"type": "text", "text": "Rich ", "style": {"bold": True}},
                {"type": "user", "user_id": "U0BOB"},
                {"type": "emoji", "name": "tada", "unicode": "1f389"},
                {"type": "link", "url": "javascript:alert(1)", "text": "no link"},
            ],
        },
        {
            "type": "rich_text_list",
            "style": "bullet",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]}],
        },
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "$ uptime"}]},
        {"type": "rich_text_quote", "elements": [{"type": "text", "text": "quoted"}]},
    ],
}
MESSAGE: list[Json] = [
    {"type": "header", "text": plain("A header")},
    {
        "type": "section",
        "text": mrkdwn(
            "*bold* _italic_ ~gone~ `code` &lt;!channel&gt; <https://example.com|a link> <@U0ALICE>\n&gt; quoted"
        ),
        "accessory": {"type": "overflow", "action_id": "more", "options": options("first", "second")},
    },
    {"type": "section", "fields": [plain("Field\none"), mrkdwn("*Field*\ntwo")]},
    {"type": "section", "text": plain(HOSTILE)},
    {"type": "divider"},
    {"type": "context", "elements": [mrkdwn("small"), plain("print")]},
    {"type": "image", "image_url": "https://elsewhere.example/x.png", "alt_text": "A chart", "title": plain("Load")},
    {
        "type": "actions",
        "block_id": "row",
        "elements": [
            {"type": "button", "action_id": "go", "text": plain("Press"), "style": "danger", "confirm": CONFIRM},
            {"type": "static_select", "action_id": "pick", "placeholder": plain("Pick"), "options": options("a", "b")},
            {"type": "datepicker", "action_id": "day", "initial_date": "2026-11-24"},
            {"type": "radio_buttons", "action_id": "radio", "options": options("yes", "no")},
            {"type": "external_select", "action_id": "find", "placeholder": plain("Find"), "min_query_length": 1},
        ],
    },
    {
        "type": "table",
        "rows": [
            [{"type": "raw_text", "text": "Plan"}, {"type": "raw_text", "text": "Price"}],
            [{"type": "raw_text", "text": HOSTILE}, {"type": "raw_text", "text": "99"}],
        ],
        "column_settings": [{"align": "left"}, {"align": "right"}],
    },
    RICH,
    {
        "type": "video",
        "title": plain("Unknown here"),
        "video_url": "https://elsewhere.example/v",
        "thumbnail_url": "https://elsewhere.example/t",
        "alt_text": "A film",
    },
]


def modal(title: str, *blocks: Json) -> Json:
    """Return a modal with something to submit."""
    view: Json = {
        "type": "modal",
        "callback_id": title.lower(),
        "title": plain(title),
        "submit": plain(f"Send {title}"),
    }
    return {**view, "close": plain("Back"), "blocks": list(blocks)}


def text_input(name: str, **more: Any) -> Json:
    """Return a line to type into."""
    element = {"type": "plain_text_input", "action_id": name, **more}
    return {"type": "input", "block_id": name, "label": plain(name.capitalize()), "element": element}


PUSH: Json = {"type": "actions", "elements": [{"type": "button", "action_id": "push", "text": plain("Another")}]}
FORM = modal("Form", text_input("name"), PUSH)
SECOND = modal("Second", text_input("city"))
HOME: Json = {"type": "home", "blocks": [{"type": "header", "text": plain("Welcome home")}]}


@dataclass(slots=True)
class Gallery:
    """The page's address, the workspace behind it, and the events that the app received."""

    url: str
    workspace: SimulatedWorkspace
    client: AsyncWebClient
    heard: list[Json] = field(default_factory=list)


@asynccontextmanager
async def running_gallery() -> AsyncIterator[Gallery]:
    """Serve a page over a workspace with this app in place of the bot."""
    async with running_ground(RuntimeOptions()) as ground:
        app = bolt_app(ground.workspace)
        with listen(0) as listener:
            async with served(ground, listener), over_http(ground.workspace, app):
                gallery = Gallery(ground.url, ground.workspace, app.client)
                _listen(app, gallery)
                yield gallery


def _listen(app: AsyncApp, gallery: Gallery) -> None:
    for name in ("go", "pick", "day", "radio", "more", "find"):
        app.action(name)(_heard(gallery))

    async def offer(ack: AsyncAck, payload: Json) -> None:
        await ack(options=options(f"{payload['value']}-offered"))

    async def opened(ack: AsyncAck, body: Json) -> None:
        await ack()
        await gallery.client.views_open(trigger_id=body["trigger_id"], view=FORM)

    async def pushed(ack: AsyncAck, body: Json) -> None:
        await ack()
        await gallery.client.views_push(trigger_id=body["trigger_id"], view=SECOND)

    async def checked(ack: AsyncAck, view: Json) -> None:
        value = view["state"]["values"]["name"]["name"]["value"]
        if value == "wrong":
            await ack(response_action="errors", errors={"name": "Not that one."})
            return
        gallery.heard.append({"submitted": value})
        await ack()

    async def went_home(event: Json) -> None:
        await gallery.client.views_publish(user_id=event["user"], view=HOME)

    app.options("find")(offer)
    app.command("/vps")(opened)
    app.action("push")(pushed)
    app.view("form")(checked)
    app.view("second")(_heard(gallery))
    app.event("app_home_opened")(went_home)


def _heard(gallery: Gallery) -> Any:
    async def heard(ack: AsyncAck, body: Json) -> None:
        gallery.heard.append(body)
        await ack()

    return heard
