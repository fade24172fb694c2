"""Web API: views.*."""

from vpsops.playground.slack.protocol.context import Desk
from vpsops.playground.slack.protocol.request_parsing import optional, required
from vpsops.playground.slack.protocol.serializers import view_body
from vpsops.playground.slack.rendering.limits import check_view
from vpsops.playground.slack.workspace.entities import View
from vpsops.playground.slack.workspace.protocol import ApiError, ApiProblem, Json, refusal


def open_view(desk: Desk, args: Json) -> Json:
    """views.open: show a modal to the person behind a trigger."""
    body = checked(args, "modal")
    trigger = desk.grants.exchange(required(args, "trigger_id"), desk.now())
    return _answer(desk, desk.surfaces.open(trigger.user, body, desk.now()))


def push(desk: Desk, args: Json) -> Json:
    """views.push: show a modal over the one the trigger came from."""
    body = checked(args, "modal")
    trigger = desk.grants.exchange(required(args, "trigger_id"), desk.now())
    if trigger.view is None:
        raise ApiError("not_found")
    return _answer(desk, desk.surfaces.push(trigger.user, body, desk.now()))


def update(desk: Desk, args: Json) -> Json:
    """views.update: change what a view shows."""
    name = optional(args, "view_id") or optional(args, "external_id")
    if name is None:
        raise ApiError("not_found")
    view = desk.surfaces.get(name)
    body = checked(args, view.kind)
    return _answer(desk, desk.surfaces.update(view, body, optional(args, "hash"), desk.now()))


def publish(desk: Desk, args: Json) -> Json:
    """views.publish: show a person's home tab."""
    body = checked(args, "home")
    user = desk.state.member(required(args, "user_id", "user_not_found"))
    if user.deleted:
        raise ApiError("not_enabled")
    return _answer(desk, desk.surfaces.publish(user.id, body, optional(args, "hash"), desk.now()))


def checked(args: Json, kind: str) -> Json:
    """Return the view of a call when Slack would take it as this kind. Raises `ApiError` invalid_arguments."""
    view = args.get("view")
    if not isinstance(view, dict):
        raise refusal("invalid_arguments", [ApiProblem("/view", "must provide an object")])
    problems = check_view(view)
    if view.get("type") != kind:
        problems.append(ApiProblem("/view/type", f"unsupported type: {view.get('type')}"))
    if problems:
        raise refusal("invalid_arguments", problems)
    return dict(view)


def _answer(desk: Desk, view: View) -> Json:
    return {"view": view_body(desk.state, view)}


HANDLERS = {"views.open": open_view, "views.push": push, "views.update": update, "views.publish": publish}
