"""Modals and home tabs: stacks of at most three, hashes that go stale; no I/O."""

from dataclasses import replace
from datetime import datetime

from vpsops.playground.slack.workspace.entities import View
from vpsops.playground.slack.workspace.protocol import ApiError, Json
from vpsops.playground.slack.workspace.state import WorkspaceState

STACK_LIMIT = 3
OPTIONAL = {
    "private_metadata": "",
    "callback_id": "",
    "external_id": "",
    "close": None,
    "submit": None,
    "clear_on_close": False,
    "notify_on_close": False,
}


class Surfaces:
    """Every view on each person's screen."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self.views: dict[str, View] = {}
        self.stacks: dict[str, list[str]] = {}
        self.homes: dict[str, str] = {}

    def stack(self, user: str) -> tuple[View, ...]:
        """Return the modals open before a person, the top one last."""
        return tuple(self.views[each] for each in self.stacks.get(user, ()))

    def home(self, user: str) -> View | None:
        """Return the person's home tab, if the app ever published it."""
        return self.views.get(self.homes.get(user, ""))

    def get(self, view: str) -> View:
        """Return a view by id or external id in its current form. Raises `ApiError` not_found."""
        result = self.views.get(view) or self._external(view)
        if result is None:
            raise ApiError("not_found")
        return result

    def open(self, user: str, body: Json, now: datetime) -> View:
        """Show a modal as a new stack of its own."""
        self._refuse_duplicate(body)
        self.clear(user)
        return self._put(user, body, None, now)

    def push(self, user: str, body: Json, now: datetime) -> View:
        """Show a modal over the one that is open. Raises `ApiError` push_limit_reached, not_found."""
        self._refuse_duplicate(body)
        stack = self.stack(user)
        if not stack:
            raise ApiError("not_found")
        if len(stack) >= STACK_LIMIT:
            raise ApiError("push_limit_reached")
        return self._put(user, body, stack[-1], now)

    def update(self, view: View, body: Json, expected: str | None, now: datetime) -> View:
        """Change a view's content. Raises `ApiError` hash_conflict when `expected` is stale."""
        if expected is not None and expected != view.hash:
            raise ApiError("hash_conflict")
        self._refuse_duplicate(body, view.id)
        changed = replace(view, body=self._complete(body), hash=self._hash(now), errors=())
        self.views[view.id] = changed
        return changed

    def publish(self, user: str, body: Json, expected: str | None, now: datetime) -> View:
        """Show a person's home tab. Raises `ApiError` hash_conflict when `expected` is stale."""
        current = self.home(user)
        if current is not None:
            return self.update(current, body, expected, now)
        made = f"V0{self._state.number():07d}"
        self.views[made] = View(made, user, "home", self._complete(body), self._hash(now), made)
        self.homes[user] = made
        return self.views[made]

    def show_errors(self, view: View, errors: dict[str, str]) -> View:
        """Show errors under the inputs of a modal."""
        self.views[view.id] = replace(view, errors=tuple(sorted(errors.items())))
        return self.views[view.id]

    def pop(self, view: View) -> None:
        """Take one modal from its stack."""
        self.views.pop(view.id, None)
        self.stacks[view.user] = [each for each in self.stacks.get(view.user, ()) if each != view.id]

    def clear(self, user: str) -> None:
        """Take every modal from a person's screen."""
        for view in self.stack(user):
            self.pop(view)

    def _put(self, user: str, body: Json, below: View | None, now: datetime) -> View:
        made = f"V0{self._state.number():07d}"
        root, previous = (below.root, below.id) if below else (made, None)
        self.views[made] = View(made, user, "modal", self._complete(body), self._hash(now), root, previous)
        self.stacks.setdefault(user, []).append(made)
        return self.views[made]

    def _complete(self, body: Json) -> Json:
        return {**OPTIONAL, **body, "blocks": list(self._state.with_ids(body.get("blocks", ())))}

    def _hash(self, now: datetime) -> str:
        return f"{int(now.timestamp())}.{self._state.number():08x}"

    def _external(self, external_id: str) -> View | None:
        views = self.views.values()
        return next((each for each in views if external_id and each.body.get("external_id") == external_id), None)

    def _refuse_duplicate(self, body: Json, own: str = "") -> None:
        other = self._external(str(body.get("external_id") or ""))
        if other is not None and other.id != own:
            raise ApiError("duplicate_external_id")
