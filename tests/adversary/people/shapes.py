"""Payloads about a person of another workspace: the documented forms, and those that claim more."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from vpsops.playground.slack.people.model import SimulatedWorkspace

HOME: Final = "T0ACME"
THEIRS: Final = "T0RIVAL"
Json = dict[str, Any]
Shape = Callable[[Json], Json]


def _teams(team: Any, user: str | None) -> Shape:
    def shape(payload: Json) -> Json:
        shaped = {**payload, "team": team}
        if "user" in payload:
            shaped["user"] = {name: value for name, value in payload["user"].items() if name != "team_id"}
            shaped["user"] |= {"team_id": user} if user is not None else {}
        return shaped

    return shape


def _without(*names: str) -> Shape:
    return lambda payload: {name: value for name, value in payload.items() if name not in names}


def _uninstalled(payload: Json) -> Json:
    view = {name: value for name, value in (payload.get("view") or {}).items() if name != "app_installed_team_id"}
    return {**payload, **({"view": view} if view else {})}


INTERACTIONS: Final[Mapping[str, Shape]] = {
    "as documented": lambda payload: payload,
    "both theirs": _teams({"id": THEIRS, "domain": "rival"}, THEIRS),
    "both ours": _teams({"id": HOME, "domain": "acme"}, HOME),
    "ours, and none of the person": _teams({"id": HOME, "domain": "acme"}, None),
    "theirs, and none of the person": _teams({"id": THEIRS, "domain": "rival"}, None),
    "team null": _teams(None, HOME),
    "team null, and none of the person": _teams(None, None),
    "no team at all": lambda payload: _without("team")(_teams(None, None)(payload)),
    "ours, by no installation": lambda payload: _uninstalled(_teams({"id": HOME}, HOME)(payload)),
}
EVENTS: Final[Mapping[str, Shape]] = {
    "ours": lambda payload: payload,
    "theirs": lambda payload: {**payload, "team_id": THEIRS},
    "ours, for no installation": _without("authorizations"),
    "theirs, for no installation": lambda payload: _without("authorizations")({**payload, "team_id": THEIRS}),
}
COMMANDS: Final[Mapping[str, Shape]] = {
    "theirs": lambda payload: payload,
    "ours": lambda payload: {**payload, "team_id": HOME},
}
INFOS: Final[Mapping[str, Shape]] = {
    "as documented": lambda user: user,
    "is_stranger left out": _without("is_stranger"),
    "no workspace given": _without("team_id", "is_stranger"),
    "of another organisation": lambda user: {
        **user,
        "enterprise_user": {"id": user["id"], "enterprise_id": "E0RIVAL", "teams": [HOME]},
    },
}
"""What `users.info` may return for a person who is not of the workspace T0ACME."""


def reshape(workspace: SimulatedWorkspace, shape: Shape, *kinds: str) -> None:
    """Have a simulated workspace deliver payloads in another shape from now on; of these kinds, or of all."""
    sent = workspace.deliver

    async def deliver(what: str, kind: Any, payload: Json, how: Any) -> Any:
        return await sent(what, kind, shape(payload) if not kinds or what in kinds else payload, how)

    workspace.deliver = deliver  # type: ignore[method-assign]
