"""Loads `[[workspace]]` of `vpsops.toml`, strictly: what is unknown, double or pointless refuses to start."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings, read_config
from vpsops.core.config.toml_locations import Table, tables
from vpsops.core.policy.config_schema import near, shown
from vpsops.core.workspaces.model import Workspace, Workspaces, teams_of

MAX_WORKSPACES = 200
SHORTEST_KEY = 32
Channel = Annotated[str, Field(pattern=r"^[CG][A-Z0-9]{1,39}$")]


class WrittenWorkspace(BaseModel):
    """A workspace as written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    team: Annotated[str, Field(pattern=r"^T[A-Z0-9]{1,39}$")]
    approval_channel: Channel | None = None
    channel: Channel | None = None
    escalation_channel: Channel | None = None
    agents: bool = False


def load_workspaces(settings: Settings) -> Workspaces:
    """Return the workspaces; raises `ConfigurationError` with file, line and a hint."""
    several = settings.slack_client_id != ""
    path = str(settings.config or "")
    written = read_config(path).get("workspace", []) if path else []
    if several:
        check_several(settings)
    elif written or settings.slack_teams:
        what = f"{path} has [[workspace]]" if written else "VPSOPS_SLACK_TEAMS is set"
        raise ConfigurationError(
            f"{what}, and SLACK_CLIENT_ID is not set.",
            hint="One workspace needs neither: its channels are VPSOPS_APPROVAL_CHANNEL and VPSOPS_CHANNEL.",
        )
    return Workspaces(several, parse_workspaces(written, path, teams_of(settings)) if written else ())


def parse_workspaces(written: Any, path: str, teams: Sequence[str]) -> tuple[Workspace, ...]:
    """Return the workspaces of a file that was parsed; raises `ConfigurationError`."""
    places = [table for table in tables(_text(path)) if table.name == ("workspace",)] or [Table(("workspace",), 1)]
    if not isinstance(written, list) or not all(isinstance(one, dict) for one in written):
        raise ConfigurationError(f"{path}:{places[0].line}: workspaces are written as [[workspace]].")
    if len(written) > MAX_WORKSPACES:
        raise ConfigurationError(f"{path}: {len(written)} workspaces are more than {MAX_WORKSPACES}.")
    found = [_one(one, path, places[min(at, len(places) - 1)]) for at, one in enumerate(written)]
    for at, one in enumerate(found):
        _check(one, found[:at], f"{path}:{places[min(at, len(places) - 1)].line}", teams)
    return tuple(found)


def _text(path: str) -> str:
    with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123 - read and parsed a moment ago
        return file.read()


def _one(given: dict[str, Any], path: str, place: Table) -> Workspace:
    try:
        one = WrittenWorkspace.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = shown(str(first["loc"][0]))
        known = tuple(WrittenWorkspace.model_fields)
        wrong = {
            "extra_forbidden": (f"unknown key {name}.", near(name, known)),
            "missing": (f"{name} is missing.", 'Write team = "T…".'),
        }
        message, hint = wrong.get(first["type"], (f"{name} is not valid.", HINTS.get(name, "")))
        raise ConfigurationError(f"{path}:{place.key(name)}: workspace: {message}", hint=hint) from None
    return Workspace(one.team, one.approval_channel or "", one.channel or "", one.escalation_channel or "", one.agents)


HINTS = {
    "team": "A workspace's id begins with T.",
    "agents": "It is true or false.",
    "approval_channel": "A channel's id begins with C or G.",
    "channel": "A channel's id begins with C or G.",
    "escalation_channel": "A channel's id begins with C or G.",
}


def _check(one: Workspace, earlier: Sequence[Workspace], place: str, teams: Sequence[str]) -> None:
    if any(one.team == other.team for other in earlier):
        raise ConfigurationError(f"{place}: workspace {one.team} is there already.")
    if one.team not in teams:
        raise ConfigurationError(
            f"{place}: workspace {one.team} may not install the app.", hint="Add it to VPSOPS_SLACK_TEAMS."
        )
    if one.agents and any(other.agents for other in earlier):
        raise ConfigurationError(f"{place}: agents = true is another workspace's already.")
    if one.agents and not one.approval_channel:
        raise ConfigurationError(f"{place}: agents = true needs an approval_channel, where people decide.")


def check_several(settings: Settings) -> None:
    """Raise `ConfigurationError` unless the settings fit a set-up of several workspaces."""
    missing = [name for name, value in _needed(settings) if not value]
    if missing:
        raise ConfigurationError(
            f"SLACK_CLIENT_ID is for several workspaces, which need {' and '.join(missing)} too.",
            hint="See docs/slack.md; one workspace needs SLACK_BOT_TOKEN alone.",
        )
    single = [name for name, value in _single(settings) if value]
    if single:
        raise ConfigurationError(
            f"{' and '.join(single)} belong to one workspace, SLACK_CLIENT_ID to several.",
            hint="Set one or the other; channels of several workspaces are written as [[workspace]].",
        )
    if len(_state_key(settings)) < SHORTEST_KEY:
        raise ConfigurationError(
            f"VPSOPS_STATE_KEY needs {SHORTEST_KEY} characters or more.", hint="Make one with: openssl rand -hex 32"
        )


def _state_key(settings: Settings) -> str:
    return settings.state_key.get_secret_value().split(",")[0].strip() if settings.state_key else ""


def _needed(settings: Settings) -> list[tuple[str, object]]:
    return [
        ("SLACK_CLIENT_SECRET", settings.slack_client_secret),
        ("VPSOPS_SLACK_URL", settings.slack_url),
        ("VPSOPS_SLACK_TEAMS", teams_of(settings)),
        ("VPSOPS_STATE_KEY", settings.state_key),
    ]


def _single(settings: Settings) -> list[tuple[str, object]]:
    return [
        ("SLACK_BOT_TOKEN", settings.slack_bot_token),
        ("VPSOPS_APPROVAL_CHANNEL", settings.approval_channel),
        ("VPSOPS_CHANNEL", settings.channel),
    ]
