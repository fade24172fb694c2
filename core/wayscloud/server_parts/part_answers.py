"""Answers about one part of a server: unwrapped, and never about another part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vpsops.core.wayscloud.answers.field_readers import text
from vpsops.core.wayscloud.answers.models import JSON, AcceptedOperation
from vpsops.core.wayscloud.answers.parse import MismatchedPartError, accepted, read_object


@dataclass(frozen=True, slots=True)
class PartNames:
    """The names by which answers hold a part: the field that identifies it, another one, and what it is wrapped in."""

    identity: str
    other: str
    wrappers: tuple[str, ...]
    any_case: bool = False  # two spellings of an id name one part

    def unwrapped(self, answer: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """Return the object of an answer that is about a part."""
        if any(key.lower() in {self.identity, self.other} for key in answer):
            return answer
        inner = (answer[key] for key in self.wrappers if key in answer)
        return next((value for value in inner if isinstance(value, dict)), answer)

    def check(self, answer: Mapping[str, JSON], part: str) -> None:
        """Raise `MismatchedPartError` where an answer names another part."""
        named = text({key.lower(): value for key, value in answer.items()}.get(self.identity))
        if named is not None and self._spelled(named) != self._spelled(part):
            raise MismatchedPartError(named, part)

    def accepted(self, server_id: str, part: str) -> Callable[[JSON], AcceptedOperation]:
        """Return a reader of an accepted operation on a part; an answer about another part is none."""
        of_server = accepted(server_id)

        def read(json: JSON) -> AcceptedOperation:
            answer = of_server(json)
            if json is not None:
                self.check(self.unwrapped(read_object(json)), part)
            return answer

        return read

    def _spelled(self, name: str) -> str:
        return name.casefold() if self.any_case else name
