"""Which slash form of each path this API serves, learned from its answers for the lifetime of a client."""

from vpsops.core.wayscloud.requests.endpoints import Route

Key = tuple[str, str]  # method, and documented path without its trailing slash


class SlashForms:
    """The sources of the API disagree about trailing slashes, and one form may redirect, or reach another route."""

    def __init__(self) -> None:
        # True is the form that is not documented.
        self._served: dict[Key, bool] = {}
        self._refused: dict[Key, bool] = {}

    def order(self, route: Route) -> tuple[str, str]:
        """Return both forms of a route, the likelier one first."""
        forms = (route.url_path, route.other_path)
        refused = self._refused.get(_key(route))
        other = self._likely(route) if refused is None else not refused
        return forms[::-1] if other else forms

    def is_known(self, route: Route) -> bool:
        """Whether an answer of this very route showed its form."""
        return _key(route) in self._served

    def learn(self, route: Route, path: str) -> None:
        """Keep the form that an answer came from."""
        self._served[_key(route)] = path == route.other_path
        self._refused.pop(_key(route), None)

    def refuse(self, route: Route, path: str) -> bool:
        """Note that a form is not served; return whether the other one is left to try."""
        other = path == route.other_path
        self._served.pop(_key(route), None)
        if self._refused.pop(_key(route), other) != other:
            return False
        self._refused[_key(route)] = other
        return True

    def _likely(self, route: Route) -> bool:
        """Whether the other form is likelier: by the route itself, a read of the same path, or the server's path."""
        method, path = _key(route)
        parent = path.rpartition("/")[0] if route.names_server and not path.endswith("{id}") else path
        keys = ((method, path), ("GET", path), ("GET", parent))
        return next((self._served[key] for key in keys if key in self._served), False)


def _key(route: Route) -> Key:
    return route.method, route.path.rstrip("/")
