"""What a Slack client knows of the app before any conversation: the manifest's commands, shortcuts and tabs.

Reads the few lines it needs itself, for no YAML reader is among the dependencies; a test holds it against a reader.
"""

import re
from pathlib import Path

from vpsops.playground.slack.workspace.protocol import Json

SHIPPED = Path(__file__).with_name("manifest.yml")
_PAIR = re.compile(r"^(\s*)(?:-\s+)?([a-z_]+):\s*(.*?)\s*$")


def text() -> str:
    """Return the manifest; a link in the source tree, a file in the wheel."""
    return SHIPPED.read_text(encoding="utf-8")


def commands(manifest: str) -> list[Json]:
    """Return each slash command with its description, and the examples its usage hint gives."""
    results: list[Json] = []
    for indent, name, value in _block(manifest, "slash_commands"):
        if name == "command":
            results.append({"command": value, "description": "", "hint": "", "examples": []})
        elif results and indent and name == "description":
            results[-1]["description"] = value
        elif results and indent and name == "usage_hint":
            results[-1] |= {"hint": value, "examples": [item.strip() for item in value.split("|") if item.strip()]}
    return results


def shortcuts(manifest: str) -> list[Json]:
    """Return each shortcut: its name, whether it is of a message or global, and the name the app knows it by."""
    results: list[Json] = []
    for _, name, value in _block(manifest, "shortcuts"):
        if name == "name":
            results.append({"name": value, "type": "", "callback_id": "", "description": ""})
        elif results and name in results[-1]:
            results[-1][name] = value
    return results


def scopes(manifest: str) -> frozenset[str]:
    """Return the scopes that the bot asks for."""
    block = re.search(r"^(\s*)bot:\s*(?:#.*)?\n((?:\1\s*-\s.*\n|\s*#.*\n|\s*\n)+)", f"{manifest}\n", re.MULTILINE)
    lines = block[2].splitlines() if block else []
    return frozenset(re.sub(r"\s+#.*$", "", line).strip(" -\"'") for line in lines if line.lstrip().startswith("-"))


def bot_name(manifest: str) -> str:
    """Return the bot's display name, or an empty text."""
    pairs = _block(manifest, "bot_user")
    return next((value for _, name, value in pairs if name == "display_name"), "")


def has_home(manifest: str) -> bool:
    """Return whether the app has a home tab."""
    return any((name, value) == ("home_tab_enabled", "true") for _, name, value in _pairs(manifest))


def _block(manifest: str, key: str) -> list[tuple[int, str, str]]:
    """Return the pairs nested below the key."""
    inside: list[tuple[int, str, str]] = []
    depth: int | None = None
    for indent, name, value in _pairs(manifest):
        if depth is not None and indent <= depth:
            break
        if depth is not None:
            inside.append((indent, name, value))
        elif name == key:
            depth = indent
    return inside


def _pairs(manifest: str) -> list[tuple[int, str, str]]:
    lines = (re.sub(r"\s+#.*$", "", line) for line in manifest.splitlines() if not line.lstrip().startswith("#"))
    matches = (_PAIR.match(line) for line in lines)
    return [(len(item[1]), item[2], item[3].strip("\"'")) for item in matches if item]
