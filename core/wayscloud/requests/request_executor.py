"""Executes calls: retries reads, also in the other slash form, where that can help; sends writes once."""

import json
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import anyio
import stamina
from anyio import to_thread

from vpsops.core.common.clock import Clock
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.timings import TransportSettings
from vpsops.core.wayscloud.answers.errors import (
    InvalidRequestError,
    MalformedAnswerError,
    NotAuthenticatedError,
    NotFoundError,
    NotOfferedError,
    NotPermittedError,
    NotSentError,
    OtherServerError,
    ProviderFaultError,
    ProviderRefusedError,
    RateLimitedError,
    UnreachableError,
    UntrustedRedirectError,
    WayscloudError,
    WrongShapeError,
)
from vpsops.core.wayscloud.answers.models import JSON, ProviderList
from vpsops.core.wayscloud.answers.pages import ListPage, next_page_of
from vpsops.core.wayscloud.answers.parse import DeclinedError, MismatchedServerError, UnexpectedShapeError
from vpsops.core.wayscloud.requests.answer_errors import (
    HANDLED,
    NOT_SERVED,
    clearly_refused,
    error_for,
    moment_of,
    names_route,
    seconds_until,
    unknown,
)
from vpsops.core.wayscloud.requests.endpoints import SERVERS, Route
from vpsops.core.wayscloud.requests.error_bodies import ErrorDetail, parse_error_body, parse_error_json
from vpsops.core.wayscloud.requests.redirects import RedirectKind
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.requests.transport import ProviderResponse, RequestLane, Transport, redirected
from vpsops.core.wayscloud.requests.url_forms import RefusedForm, SlashForms, subject_of

T = TypeVar("T")
E = TypeVar("E")

LONG_BYTES: Final = 200_000
TRANSIENT: Final = frozenset({429, 502, 503, 504})
# Errors of the other slash form that matter more than the documented path's "no such route".
WITHOUT_REGIONS: Final = "Creating a server is still possible: name the region."
WEIGHTY: Final = (UnreachableError, ProviderFaultError, RateLimitedError, NotAuthenticatedError, NotPermittedError)


class RequestExecutor:
    """Judges answers, and remembers which slash form of each path is served."""

    def __init__(self, transport: Transport, redactor: Redactor, *, clock: Clock, settings: TransportSettings) -> None:
        self._transport = transport
        self._redactor = redactor
        self._clock = clock
        self._settings = settings
        self._forms = SlashForms()

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def read(self, route: Route, parse: Callable[[JSON], T], lane: RequestLane = RequestLane.QUESTIONS) -> T:
        """Return what the route holds, within `total_seconds` in any case."""
        return await self._read(route, lambda json, _: parse(json), lane)

    async def _read(self, route: Route, parse: Callable[[JSON, ProviderResponse], T], lane: RequestLane) -> T:
        trouble: list[WayscloudError] = []
        with anyio.move_on_after(self._settings.total_seconds):
            return await self._in_either_form(route, parse, trouble, lane)
        if trouble:
            raise trouble[-1]
        raise UnreachableError(f"WAYSCloud did not {route.doing}: no answer came in time.", operation=route.name)

    async def read_page(self, route: Route, parse: Callable[[JSON], ProviderList[E]], lane: RequestLane) -> ListPage[E]:
        """Return one page of a list and its sign of the rest, as `read` does."""

        def page(json: JSON, answer: ProviderResponse) -> ListPage[E]:
            return ListPage(parse(json), next_page_of(json, answer.link, route.url_path, route.query))

        return await self._read(route, page, lane)

    async def write(
        self,
        route: Route,
        parse: Callable[[JSON], T],
        *,
        body: Mapping[str, JSON] | None = None,
        departure: SendHook | None = None,
    ) -> T:
        """Send once, without following redirects, and return the parsed answer.

        Raises `ProviderRefusedError`, `NotSentError` or `OutcomeUnknownError`. A path form that is not served is
        remembered, so that the next write uses the other form; where `again` is set, the sender may try it after a
        read of the server.
        """
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        path = self._forms.order(route)[0]
        try:
            answer = await self._send_write(route, path, content, departure)
        except NotSentError:
            raise
        except UnreachableError as error:
            raise unknown(route, f"it was sent, and no clear answer came ({_cause(error)})") from error
        if answer.ok or answer.status in HANDLED:
            self._forms.learn(route, path)
        if answer.ok:
            return self._written(route, answer, parse)
        raise self._write_error(route, answer)

    def _write_error(self, route: Route, answer: ProviderResponse) -> WayscloudError:
        if answer.lead is not None:
            return self._redirected_write(route, answer)
        words = parse_error_body(answer.body, *self._redactor.secrets)
        if not clearly_refused(answer.status):
            return unknown(route, f"the answer was {answer.status}", status=answer.status, words=words)
        error = error_for(route, answer.status, words, self._retry_after(answer))
        if answer.status in NOT_SERVED and not self._forms.is_known(route):
            self._note_unserved(route, answer, error)
        return error

    def _note_unserved(self, route: Route, answer: ProviderResponse, error: WayscloudError) -> None:
        """Note a form that is not served; a 404 after a refusal of the other form says so, as it may be the route's."""
        certain = isinstance(error, NotOfferedError) and error.certain
        form = RefusedForm(
            other=answer.path == route.other_path,
            status=answer.status,
            names_route=certain or names_route(error.detail),
            subject=None if certain else subject_of(route),
        )
        earlier = self._forms.refuse(route, form)
        error.again = earlier is None
        if isinstance(error, NotFoundError) and earlier is not None and earlier.status in NOT_SERVED:
            error.message = f"{error.message.rstrip('.')}, and {earlier.status} in the other form of its address."
            error.in_no_form = form.names_route and earlier.names_route

    def _redirected_write(self, route: Route, answer: ProviderResponse) -> WayscloudError:
        """Judge a redirect: one to the other slash form means that this one is not served; none is followed here."""
        form = RefusedForm(answer.path == route.other_path, answer.status)
        if answer.lead is RedirectKind.OTHER_FORM and self._forms.refuse(route, form) is None:
            return redirected(route, answer, "it redirects to the other form of its own path")
        if answer.lead in {RedirectKind.OTHER_FORM, RedirectKind.SAME_ORIGIN}:
            return unknown(route, f"the answer was {answer.status}, a redirect", status=answer.status)
        place = f"another place ({answer.target})" if answer.target else "something that is no address"
        return redirected(route, answer, f"it redirects to {place}")

    async def _send_write(
        self, route: Route, path: str, content: bytes | None, departure: SendHook | None
    ) -> ProviderResponse:
        for again in range(route.tries_unsent - 1):
            try:
                return await self._transport.send(route, path, content, departure)
            except NotSentError:
                await self._clock.sleep(self._settings.wait_initial * 2**again)
        return await self._transport.send(route, path, content, departure)

    def _written(self, route: Route, answer: ProviderResponse, parse: Callable[[JSON], T]) -> T:
        try:
            return parse(None if answer.body.empty else self._json(route, answer))
        except DeclinedError as error:
            raise self._declined(route, answer, error) from None
        except ValueError as error:
            words = parse_error_body(answer.body, *self._redactor.secrets)
            reason = f"the answer was {answer.status}, but {error}"
            raise unknown(route, reason, status=answer.status, words=words) from None

    async def _in_either_form(
        self,
        route: Route,
        parse: Callable[[JSON, ProviderResponse], T],
        trouble: list[WayscloudError],
        lane: RequestLane,
    ) -> T:
        first: WayscloudError | None = None
        for path in self._forms.order(route):
            try:
                return await self._in_one_form(route, path, parse, trouble, lane)
            except WayscloudError as error:
                if route.optional and isinstance(error, ProviderFaultError):  # its name may be taken for a server's id
                    error.hint = f"{error.hint} {WITHOUT_REGIONS}"
                if first is None and not self._is_misrouted(route, error):
                    raise
                if first is not None and isinstance(error, WEIGHTY):
                    raise
                first = first or error
        if first is None:
            raise AssertionError("a route has at least one form")
        raise self._absent(route, first)

    def _absent(self, route: Route, error: WayscloudError) -> WayscloudError:
        """Return the error for a route that is in neither form; without the list of servers there is no such API."""
        moved = isinstance(error, UntrustedRedirectError)
        if route.names_server or moved or (isinstance(error, WrongShapeError) and not route.optional):
            return error
        message, hint = f"The API does not offer to {route.doing}.", ""
        if route.optional:
            hint = WITHOUT_REGIONS
        elif route.path == SERVERS.path:
            message = f"There is no VPS API at {self._transport.address}: it does not offer to {route.doing}."
            hint = "Check WAYSCLOUD_API_URL."
        absent = NotOfferedError(message, hint=hint, status=error.status, operation=route.name, detail=error.detail)
        absent.certain = getattr(error, "certain", False) or not (route.part or route.query)
        return absent

    def _is_misrouted(self, route: Route, error: WayscloudError) -> bool:
        """Whether an answer may come from a missing route, or from the neighbour `/v1/vps/{vps_id}`."""
        if isinstance(error, UntrustedRedirectError):
            return error.again
        if route.names_server:  # once its form is known, a 404 means the server; a list may still have moved
            return isinstance(error, NotFoundError | NotOfferedError) and not self._forms.is_known(route)
        return isinstance(error, NotOfferedError | InvalidRequestError | WrongShapeError)

    async def _in_one_form(
        self,
        route: Route,
        path: str,
        parse: Callable[[JSON, ProviderResponse], T],
        trouble: list[WayscloudError],
        lane: RequestLane,
    ) -> T:
        answer = await self._persistently(route, path, trouble, lane)
        try:
            value = await self._parsed(route, answer, parse)
        except DeclinedError as error:
            raise self._declined(route, answer, error) from None
        except ValueError as error:
            raise self._malformed(route, answer, error) from None
        self._forms.learn(route, answer.path)
        return value

    def _malformed(self, route: Route, answer: ProviderResponse, error: ValueError) -> MalformedAnswerError:
        """Return the error for an answer that cannot be read; text in place of the expected data is its reason."""
        quoted = not (route.secret or isinstance(error, MismatchedServerError))
        words = self._words(route, answer).text if quoted else ""
        hint = f"That is the service's own reason. {MalformedAnswerError.default_hint}" if words else ""
        reason = f"{error}; it says: {words.rstrip('.')}" if words else str(error)
        return _malformed(error)(
            f"WAYSCloud did not {route.doing}: the answer is not the documented one, {reason}.",
            hint=hint,
            status=answer.status,
            operation=route.name,
            detail=words,
        )

    async def _persistently(
        self, route: Route, path: str, trouble: list[WayscloudError], lane: RequestLane
    ) -> ProviderResponse:
        bounds = self._settings
        async for attempt in stamina.retry_context(
            on=self._pause,
            attempts=bounds.attempts,
            timeout=bounds.total_seconds,
            wait_initial=bounds.wait_initial,
            wait_max=bounds.wait_max,
            wait_jitter=bounds.wait_jitter,
        ):
            with attempt:
                try:
                    return await self._once(route, path, lane)
                except WayscloudError as error:
                    trouble.append(error)
                    raise
        raise AssertionError("the last attempt raises")

    async def _once(self, route: Route, path: str, lane: RequestLane) -> ProviderResponse:
        answer = await self._transport.send(route, path, lane=lane)
        if not answer.ok:
            raise error_for(route, answer.status, self._words(route, answer), self._retry_after(answer))
        if answer.body.cut_short:
            raise UnreachableError(f"WAYSCloud did not {route.doing}: {answer.body.flaw}.", operation=route.name)
        return answer

    async def _parsed(self, route: Route, answer: ProviderResponse, parse: Callable[[JSON, ProviderResponse], T]) -> T:
        """Read an answer; a long one on a thread: it takes a tenth of a second, which would delay acknowledgements."""
        if len(answer.body.content) <= LONG_BYTES:
            return parse(self._json(route, answer), answer)
        return await to_thread.run_sync(lambda: parse(self._json(route, answer), answer), abandon_on_cancel=True)

    def _words(self, route: Route, answer: ProviderResponse) -> ErrorDetail:
        """Return the provider's words; none that may hold an address, where the address is a secret."""
        words = parse_error_body(answer.body, *self._redactor.secrets)
        return ErrorDetail() if route.secret and "://" in words.text else words

    def _json(self, route: Route, answer: ProviderResponse) -> JSON:
        """Return an answer without any configured secret; names in it stay unchanged, as they name servers.

        An answer that is a secret itself stays whole: an address without its signature opens nothing.
        """
        value = answer.body.json()
        if route.secret or self._redactor.sees_none(answer.body.content):
            return value
        safe: JSON = self._redactor.exact(value)
        return safe

    def _pause(self, error: Exception) -> bool | float:
        """Return whether to try again, and after how many seconds if the provider named a delay."""
        if isinstance(error, UnreachableError):
            return True
        if not isinstance(error, WayscloudError) or error.status not in TRANSIENT:
            return False
        if error.retry_after is None:
            return True
        bounds = self._settings
        return error.retry_after <= bounds.retry_after_cap and max(error.retry_after, bounds.wait_initial)

    def _retry_after(self, answer: ProviderResponse) -> float | None:
        return seconds_until(answer.retry_after, moment_of(answer.date) or self._clock.now())

    def _declined(self, route: Route, answer: ProviderResponse, error: DeclinedError) -> ProviderRefusedError:
        words = parse_error_json(dict(error.answer), *self._redactor.secrets)
        reason = words.text.rstrip(".") or "it gave no reason"
        return ProviderRefusedError(
            f"WAYSCloud would not {route.doing}: {reason}.",
            status=answer.status,
            operation=route.name,
            detail=words.text,
        )


def _malformed(error: ValueError) -> type[MalformedAnswerError]:
    if isinstance(error, MismatchedServerError):
        return OtherServerError
    return WrongShapeError if isinstance(error, UnexpectedShapeError) else MalformedAnswerError


def _cause(error: Exception) -> str:
    return type(error.__cause__ or error).__name__
