"""Everything people see in Slack, once each, as the code draws it: for the pictures in docs/pictures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.browser.surfaces.answers import answers
from tests.browser.surfaces.forms import operation_forms, views
from tests.browser.surfaces.notices import notices
from tests.browser.surfaces.pages import pages
from tests.unit.bot.messages.card_snapshots import DIRECTORY
from vpsops.bot.blocks.elements import Post
from vpsops.playground.slack.rendering.plain_text import plain
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.state import WorkspaceState

Kind = Literal["message", "modal", "home"]
WIDE, PHONE_WIDTH = 1180, 390
"""Pixels of the window."""
DARK = frozenset({"card-held_snapshot_rollback", "home", "modal-act-all", "modal-create", "modal-rollback"})
"""Drawn in dark colours too."""
PHONE = frozenset(
    {"list", "list-table", "home", "modal-grant", "modal-name-confirm", "modal-override", "modal-review"},
)
"""Drawn as on a phone too."""
OPERATION = "card-held_"
"""Cards of one operation begin so; all others are of a state, and are drawn in all looks."""
STATES = frozenset({"card-held_escalated", "card-held_for_votes", "card-held_for_votes_asker"})


@dataclass(frozen=True, slots=True)
class Look:
    """One way in which something is drawn: by its window and its colours."""

    suffix: str = ""
    caption: str = ""
    width: int = WIDE
    dark: bool = False


AS_IT_IS = Look()
IN_THE_DARK = Look("-dark", "The same in dark colours", dark=True)
ON_A_PHONE = Look("-phone", "The same on a phone", PHONE_WIDTH)


@dataclass(frozen=True, slots=True)
class Surface:
    """One thing that is seen: what kind of thing, what Slack is sent, in which section of the docs, and its caption."""

    kind: Kind
    payload: Mapping[str, Any]
    section: str
    caption: str


def surfaces() -> Mapping[str, Surface]:
    """Return all of them by name: a card for every snapshot, then what the other drawing functions make."""
    cards = {
        f"card-{path.stem}": _card(path.stem, path.read_text("utf-8")) for path in sorted(DIRECTORY.glob("*.json"))
    }
    for name, (caption, post) in {**answers(), **pages(), **notices()}.items():
        heading = "Notices" if name in notices() else "Answers"
        cards[name] = Surface("message", _sent(post), heading, caption)
    for name, (caption, view) in {**views(), **operation_forms()}.items():
        kind: Kind = "home" if view["type"] == "home" else "modal"
        cards[name] = Surface(kind, view, "App Home" if kind == "home" else "Forms", caption)
    return cards


def looks_of(name: str) -> tuple[Look, ...]:
    """Return how a surface is drawn: a card of a state in light and dark colours and as on a phone."""
    state = name.startswith("card-") and (name in STATES or not name.startswith(OPERATION)) and name != "card-link"
    dark = (IN_THE_DARK,) if state or name in DARK else ()
    return (AS_IT_IS, *dark, *((ON_A_PHONE,) if state or name in PHONE else ()))


def _card(name: str, text: str) -> Surface:
    return Surface("message", json.loads(text), "Cards", f"A change: {name.replace('_', ' ')}")


def _sent(post: Post) -> Mapping[str, Any]:
    return {"text": post.text, "blocks": list(post.blocks)}


def as_markdown(folder: Path) -> str:
    """Return the page that shows all pictures, by section, with what each of them is and how cards are read aloud."""
    results = surfaces()
    text = ""
    for heading in ("Cards", "Notices", "Answers", "Forms", "App Home"):
        text += f"## {heading}\n\n"
        for name, value in results.items():
            if value.section == heading:
                text += _shown(name, value, folder)
    return text.rstrip() + "\n"


def _shown(name: str, surface: Surface, folder: Path) -> str:
    text = f"{surface.caption}:\n\n"
    for look in looks_of(name):
        text += f"![{look.caption or surface.caption.replace('`', '')}]({folder}/slack-{name}{look.suffix}.png)\n\n"
    if surface.section != "Cards":
        return text
    words = plain(surface.payload["text"], WorkspaceState(WorkspaceConfig()))
    return f"{text}<details><summary>Read aloud</summary>\n\n```text\n{words}\n```\n\n</details>\n\n"
