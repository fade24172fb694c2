"""Which slash form of each path this API serves, learned from its answers for the lifetime of a client."""

from dataclasses import dataclass

from vpsops.core.wayscloud.requests.endpoints import Route

Key = tuple[str, str]  # method, and documented path without its trailing slash


@dataclass(frozen=True, slots=True)
class RefusedForm:
    """One slash form of a path that was not served when a write asked for it, and how the answer put that."""

    other: bool  # the form that is not documented
    status: int
    names_route: bool = False  # its words are those for a path that is not served, and name nothing else
    subject: tuple[str, str] | None = None  # the server and its part that it may be about; None: the path alone

    def counts_for(self, route: Route) -> bool:
        """Return whether it tells of this request too: not where it may have been about another server alone."""
        return self.subject is None or self.subject == subject_of(route)


def subject_of(route: Route) -> tuple[str, str]:
    """Return what a 404 of a route may be about."""
    return route.server_id, route.part


class SlashForms:
    """The sources of the API disagree about trailing slashes, and one form may redirect, or reach another route."""

    def __init__(self) -> None:
        # True is the form that is not documented.
        self._served: dict[Key, bool] = {}
        self._refused: dict[Key, RefusedForm] = {}

    def order(self, route: Route) -> tuple[str, str]:
        """Return both forms of a route, the likelier one first."""
        forms = (route.url_path, route.other_path)
        refused = self._refused.get(_key(route))
        other = self._is_likely(route) if refused is None else not refused.other
        return forms[::-1] if other else forms

    def is_known(self, route: Route) -> bool:
        """Whether an answer of this very route showed its form."""
        return _key(route) in self._served

    def learn(self, route: Route, path: str) -> None:
        """Keep the form that an answer came from."""
        self._served[_key(route)] = path == route.other_path
        self._refused.pop(_key(route), None)

    def refuse(self, route: Route, form: RefusedForm) -> RefusedForm | None:
        """Note that a form is not served; return the refusal of the other form, or None where that is left to try."""
        self._served.pop(_key(route), None)
        earlier = self._refused.pop(_key(route), form)
        if earlier.other != form.other and earlier.counts_for(route):
            return earlier
        self._refused[_key(route)] = form
        return None

    def _is_likely(self, route: Route) -> bool:
        """Whether the other form is likelier: by the route itself, a read of the same path, or the server's path."""
        method, path = _key(route)
        parent = path.rpartition("/")[0] if route.names_server and not path.endswith("{id}") else path
        keys = ((method, path), ("GET", path), ("GET", parent))
        return next((self._served[key] for key in keys if key in self._served), False)


def _key(route: Route) -> Key:
    return route.method, route.path.rstrip("/")
