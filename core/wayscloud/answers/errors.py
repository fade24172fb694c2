"""Errors of the provider's API and of reaching it; sorted by what the caller can do about it.

    WayscloudError
    ├── UnreachableError              a read got no answer; ask again later
    │   └── NotSentError              nothing left this machine, read or write: safe to ask again
    ├── ProviderRefusedError          the provider refused; after a sent write, a read verifies that nothing happened
    │   ├── NotAuthenticatedError     401: give another key
    │   ├── NotPermittedError         403: the key is good, but not for this
    │   ├── NotFoundError             404: no such server
    │   ├── InvalidRequestError       400, 422: correct the arguments (`fields` names them)
    │   ├── ConflictError             409: the server is busy, or in the wrong state; read it, then decide
    │   ├── RateLimitedError          429: wait `retry_after`; or a quota, which waiting does not cure
    │   ├── NotOfferedError           404, 405, 501 for a route: this API does not have it; do without
    │   └── UntrustedRedirectError    sent elsewhere: not followed, the key stayed here; check the address
    ├── ProviderFaultError            a read got 5xx; the provider has to act
    ├── MalformedAnswerError          a read got something that is not the documented answer
    │   ├── WrongShapeError           it was JSON, but not of the object that was asked for
    │   └── OtherServerError          it was about another server than the one that was asked for
    └── OutcomeUnknownError           a write was sent without a clear answer: search for its effect, never resend it

A write raises `ProviderRefusedError` (the provider refused), `NotSentError` (surely not done), or
`OutcomeUnknownError`; nothing else of this tree.
"""

from vpsops.core.common.errors import VpsopsError


class WayscloudError(VpsopsError):
    """An error between this process and the provider.

    `status` is the HTTP code, if one came; `retry_after` the provider's delay in seconds, if it named one; `operation`
    the client method; `detail` the provider's own message, bounded and without secrets.
    """

    default_hint = ""
    again: bool = False
    """Of a write: the provider reports that it did not accept it, so it may be sent again after a read. Of a read's
    redirect: the other slash form may be tried.
    """

    def __init__(  # noqa: PLR0913 - facts of one answer, all named
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        operation: str = "",
        detail: str = "",
        fields: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint or self.default_hint)
        self.status = status
        self.retry_after = retry_after
        self.operation = operation
        self.detail = detail
        self.fields = fields


class UnreachableError(WayscloudError):
    """A read got no answer, for as often as it was tried."""

    default_hint = "Check the network and the provider's address, then ask again."


class NotSentError(UnreachableError):
    """Nothing of the request left this machine, so the provider cannot have acted on it."""


class ProviderRefusedError(WayscloudError):
    """The provider clearly refused; a proxy may have refused after the effect, so a write is verified all the same."""


class NotAuthenticatedError(ProviderRefusedError):
    """401: the key is missing, wrong, revoked or expired."""

    default_hint = "Check WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN."


class NotPermittedError(ProviderRefusedError):
    """403: the key is valid, but not for this service or operation."""

    default_hint = "Use a key that has the VPS service and the scope for this operation."


class NotFoundError(ProviderRefusedError):
    """404: the provider knows no such server."""

    in_no_form: bool = False
    """Of a write: neither slash form of its path is served, unless what it names is missing."""
    default_hint = "List the servers; it may have been removed meanwhile."


class InvalidRequestError(ProviderRefusedError):
    """400 or 422: the arguments are not acceptable; `fields` holds one sentence for each that was named."""

    default_hint = "Correct the arguments and ask again."


class ConflictError(ProviderRefusedError):
    """409: the server is busy or in the wrong state, or the name is taken."""

    default_hint = "Look at the server's state, then ask again."


class RateLimitedError(ProviderRefusedError):
    """429: too many requests, or a limit of the account."""

    again = True
    default_hint = "Wait a little; if it keeps coming, it may be a quota of the account, which waiting does not cure."


class NotOfferedError(ProviderRefusedError):
    """The API does not have this route or operation (404, 405 or 501)."""

    certain: bool = False
    """Whether it is surely the route that is missing: a 404 may also be about what the request named."""
    default_hint = "Do without it, or ask the provider."


class UntrustedRedirectError(ProviderRefusedError):
    """The answer redirected to a place that the key must not be sent to."""

    default_hint = "Check WAYSCLOUD_API_URL."


class ProviderFaultError(WayscloudError):
    """A read got a 5xx answer."""

    default_hint = "The fault is the provider's; ask again later."


class MalformedAnswerError(WayscloudError):
    """A read got an answer that is not JSON, too large, cut short, or lacks what it must hold."""

    default_hint = "Check that WAYSCLOUD_API_URL is the address of the API."


class WrongShapeError(MalformedAnswerError):
    """A read got JSON, but not of the object that was asked for: perhaps another route answered."""


class OtherServerError(MalformedAnswerError):
    """A read got an answer about another server than the one that was asked for."""

    default_hint = "Nothing was done with it. Ask again; if it happens repeatedly, report it to the provider."


class OutcomeUnknownError(WayscloudError):
    """A write was sent without a clear answer; it may have happened, and must never be sent again unseen."""

    default_hint = "Nothing was sent again. Look at the servers before asking again."
