"""What people do with modals: fill in, submit, close; and what the app's answer does to the screen."""

from collections.abc import Mapping
from typing import Unpack

from vpsops.playground.slack.api.api_views import checked
from vpsops.playground.slack.api.dispatch import Sending
from vpsops.playground.slack.people.actions import People, surface_key
from vpsops.playground.slack.rendering.elements import (
    NotOnScreenError,
    Value,
    elements_of,
    missing_inputs,
    picked,
    state_values,
)
from vpsops.playground.slack.workspace.entities import View
from vpsops.playground.slack.workspace.log import Delivery
from vpsops.playground.slack.workspace.protocol import ApiError, ApiProblem, Json


class ModalPeople(People):
    """The people of a workspace, before modals."""

    def fill(self, user: str, view: View, values: Mapping[str, Value]) -> Json:
        """Type and pick in a modal without submitting; keys are block ids or action ids.

        Return the state so far. Raises `NotOnScreenError` for anything that the modal or its client does not allow.
        """
        seen = self._modal(user, view)
        there = elements_of(seen.blocks)
        entered = self.entered.setdefault(surface_key(seen), {})
        for name, value in values.items():
            results = [(block, each) for block, each in there if name in {block["block_id"], each["action_id"]}]
            if len(results) != 1:
                raise NotOnScreenError(f"{len(results)} inputs are called {name!r}")
            block, element = results[0]
            offered = self.offered.get(element["action_id"], ())
            entered[block["block_id"], element["action_id"]] = picked(element, value, offered)
        return state_values(seen.blocks, entered)

    async def submit_view(
        self, user: str, view: View, values: Mapping[str, Value] | None = None, **how: Unpack[Sending]
    ) -> Delivery:
        """Fill in and submit a modal; the answer's `response_action` is carried out on the screen.

        Raises `NotOnScreenError` when the modal is gone, cannot be submitted or lacks a required input.
        """
        state = self.fill(user, view, values or {})
        seen = self._modal(user, view)
        if seen.body.get("submit") is None:
            raise NotOnScreenError("this modal has nothing to submit")
        if missing := missing_inputs(seen.blocks, state):
            raise NotOnScreenError(f"the client asks for {', '.join(missing)} first")
        self.desk.surfaces.show_errors(seen, {})
        payload = self.payloads.view_submission(self._person(user), seen, state)
        delivery = await self.deliver("view_submission", "interactive", payload, how)
        if delivery.acked is None:
            delivery.error = "trouble_connecting"
        else:
            self._apply(delivery, seen)
        self.changed()
        return delivery

    async def close_view(self, user: str, view: View, **how: Unpack[Sending]) -> list[Delivery]:
        """Dismiss a modal, and the whole stack if it has `clear_on_close`; notify the app where it requested that."""
        seen = self._modal(user, view)
        cleared = bool(seen.body.get("clear_on_close"))
        closing = list(reversed(self.modals(user))) if cleared else [seen]
        deliveries = []
        for each in closing:
            self.desk.surfaces.pop(each)
            if each.body.get("notify_on_close"):
                state = state_values(each.blocks, self.entered.get(surface_key(each), {}))
                payload = self.payloads.view_closed(self._person(user), each, state, cleared=cleared)
                deliveries.append(await self.deliver("view_closed", "interactive", payload, how))
        self.changed()
        return deliveries

    def _modal(self, user: str, view: View) -> View:
        seen = self.current(user, view)
        if not isinstance(seen, View) or self.modal(user) != seen:
            raise NotOnScreenError("this modal is not the one in front")
        return seen

    def _apply(self, delivery: Delivery, view: View) -> None:
        answer = delivery.ack or {}
        try:
            self._respond(view, answer)
        except ApiError as refused:
            delivery.error = "trouble_connecting"
            delivery.problems = list(refused.problems) or [ApiProblem("", refused.code)]

    def _respond(self, view: View, answer: Json) -> None:
        surfaces, now = self.desk.surfaces, self.desk.now()
        if view.id not in surfaces.views:
            return
        match answer.get("response_action"):
            case None:
                surfaces.pop(view)
            case "clear":
                surfaces.clear(view.user)
            case "errors":
                surfaces.show_errors(surfaces.get(view.id), _errors(view, answer))
            case "update":
                surfaces.update(surfaces.get(view.id), checked(answer, "modal"), None, now)
            case "push":
                surfaces.push(view.user, checked(answer, "modal"), now)
            case other:
                raise ApiError("invalid_arguments", problems=(ApiProblem("/response_action", f"unsupported: {other}"),))


def _errors(view: View, answer: Json) -> dict[str, str]:
    errors = answer.get("errors")
    inputs = {block.get("block_id") for block in view.blocks if block.get("type") == "input"}
    if not isinstance(errors, dict) or not errors:
        raise ApiError("invalid_arguments", problems=(ApiProblem("/errors", "must provide an object"),))
    if strange := sorted(errors.keys() - inputs):
        problem = ApiProblem("/errors", f"no input block is called {', '.join(strange)}")
        raise ApiError("invalid_arguments", problems=(problem,))
    return {str(name): str(text) for name, text in errors.items()}
