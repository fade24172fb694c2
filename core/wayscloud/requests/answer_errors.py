"""Maps a status code and an error body to the error that the caller handles."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from vpsops.core.common.timings import RETRY_AFTER_LONGEST_SECONDS, RETRY_AFTER_SAID_SECONDS
from vpsops.core.wayscloud.answers.errors import (
    ConflictError,
    InvalidRequestError,
    MalformedAnswerError,
    NotAuthenticatedError,
    NotFoundError,
    NotOfferedError,
    NotPermittedError,
    OutcomeUnknownError,
    ProviderFaultError,
    ProviderRefusedError,
    RateLimitedError,
    UntrustedRedirectError,
    WayscloudError,
)
from vpsops.core.wayscloud.requests.endpoints import Route
from vpsops.core.wayscloud.requests.error_bodies import ErrorDetail

SECONDS: Final = re.compile(r"\d{1,300}(?:\.\d{1,6})?")
UNCLEAR: Final = frozenset({408, 425, 499})
"""Sent by proxies: the service behind was slow, the request came early, the client hung up."""
HANDLED: Final = frozenset({409, 422, 423})
"""Sent by an operation itself, and not by a proxy before it: its path is served."""
NOT_SERVED: Final = frozenset({404, 405})
NOT_FOUND: Final = 404
NOT_IMPLEMENTED: Final = 501
OK: Final = 200
ABOUT_REQUEST: Final = frozenset({402, 406, 411, 412, 413, 414, 415, 428, 431, 451})
"""About a request or an account, sent before anything is done."""
DONE_ALREADY: Final = re.compile(
    r"\b(already|exists?|taken|in use|duplicate|unique|busy|locked|in progress|under way|provisioning"
    r"|(re)?(boot|start|stopp)ing)\b",
    re.IGNORECASE,
)
OUT_OF: Final = re.compile(
    r"\b(quota|limit|stock|capacity|insufficient|unavailable|sold out|credit|balance)\b", re.IGNORECASE
)

REFUSALS: Final[dict[int, type[ProviderRefusedError]]] = {
    400: InvalidRequestError,
    401: NotAuthenticatedError,
    403: NotPermittedError,
    404: NotFoundError,
    405: NotOfferedError,
    409: ConflictError,
    410: NotFoundError,
    422: InvalidRequestError,
    423: ConflictError,
    429: RateLimitedError,
    NOT_IMPLEMENTED: NotOfferedError,
}


def clearly_refused(status: int) -> bool:
    """Return whether this answer to a write is a refusal; a read verifies it.

    A 5xx is not: a create is known to have failed after the server was made. Nor are the codes of proxies.
    """
    return (400 <= status < 500 and status not in UNCLEAR) or status == NOT_IMPLEMENTED  # noqa: PLR2004


def may_follow_effect(error: ProviderRefusedError) -> bool:
    """Return whether a refusal may be the answer to a write that was done already: a proxy may have repeated it.

    Refusals about the arguments, the account or a quota come before anything is done. A name that is taken, a server
    that is busy, and a code or place that an operation does not answer with, may come after.
    """
    if isinstance(error, UntrustedRedirectError | NotFoundError):
        return True
    if isinstance(error, ConflictError):
        return OUT_OF.search(error.detail) is None
    if isinstance(error, InvalidRequestError) or error.status == OK:
        return any(DONE_ALREADY.search(text) for text in (error.detail, *error.fields))
    return type(error) is ProviderRefusedError and error.status not in ABOUT_REQUEST


NO_METHOD: Final = re.compile(
    r"\W*(|(it is )?(the )?method( is)? not allowed.*|not (offered|supported|found)"
    r"|(\w+ (is|are) )?not (yet )?implemented( yet)?)\W*",
    re.IGNORECASE,
)
"""What an answer says of a method that is absent for every server; other words may be about this server alone."""


NO_ROUTE: Final = re.compile(
    r"\W*(?:404\W+)?(?:error\W+)?(?:the )?(?:vps |server |route |page |url |path |endpoint )?(?:was )?not found"
    r"\W*(?:nginx\S*)?\W*",
    re.IGNORECASE,
)
"""What frameworks and proxies say of a path that they do not serve, or take for a server's id."""


def names_route(words: str) -> bool:
    """Return whether the words of a 404 name nothing but the path, or what a path may be taken for."""
    return NO_ROUTE.fullmatch(words or "not found") is not None


def error_for(route: Route, status: int, words: ErrorDetail, retry_after: float | None) -> WayscloudError:
    """Return the error for an answer that is not 2xx."""
    kind = _kind(route, status)
    verb = "could not" if kind is ProviderFaultError else "would not"
    reason = words.text.rstrip(".") or "it gave no reason"
    error = kind(
        f"WAYSCloud {verb} {route.doing}: {reason} ({status}).",
        hint=_hint(kind, retry_after),
        status=status,
        retry_after=retry_after,
        operation=route.name,
        detail=words.text,
        fields=words.fields,
    )
    if isinstance(error, NotOfferedError):
        about_route = not route.names_server or NO_METHOD.fullmatch(words.text) is not None
        error.certain = status != NOT_FOUND and about_route
    return error


def unknown(
    route: Route, reason: str, *, status: int | None = None, words: ErrorDetail | None = None
) -> OutcomeUnknownError:
    """Return the error for a write that left without a clear answer."""
    text = words.text if words else ""
    quotation = f", it said: {text.rstrip('.')}" if text else ""
    return OutcomeUnknownError(
        f"It is not known whether WAYSCloud did {route.doing}: {reason}{quotation}.",
        status=status,
        operation=route.name,
        detail=text,
    )


def moment_of(header: str) -> datetime | None:
    """Read an HTTP date; None when absent or none."""
    try:
        moment = parsedate_to_datetime(header.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def seconds_until(header: str, now: datetime) -> float | None:
    """Read Retry-After in both forms, seconds and an HTTP date; None when absent or neither."""
    text = header.strip()
    if SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_LONGEST_SECONDS)
    moment = moment_of(text)
    if moment is None:
        return None
    return min(max(0.0, (moment - now).total_seconds()), RETRY_AFTER_LONGEST_SECONDS)


def _kind(route: Route, status: int) -> type[WayscloudError]:
    kind = REFUSALS.get(status)
    if kind is NotFoundError and not route.names_server:
        return NotOfferedError
    if kind is not None:
        return kind
    if 400 <= status < 500:  # noqa: PLR2004
        return ProviderRefusedError
    return ProviderFaultError if status >= 500 else MalformedAnswerError  # noqa: PLR2004


def _hint(kind: type[WayscloudError], retry_after: float | None) -> str:
    if retry_after is None or kind not in {RateLimitedError, ProviderFaultError}:
        return ""
    wait = f"{retry_after:.0f} s" if retry_after < RETRY_AFTER_SAID_SECONDS else "longer than makes sense"
    return f"It asks to wait {wait}. {kind.default_hint}"
