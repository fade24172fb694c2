"""The exit codes of every subcommand, and which error stands for which."""

from typing import Final

from core.errors import ConfigurationError, InvalidInput
from core.wayscloud import errors as provider

GOOD: Final = 0
OTHER: Final = 1
USAGE: Final = 2
NOT_AUTHENTICATED: Final = 3
UNREACHABLE: Final = 4


def exit_code(error: BaseException) -> int:
    """Return the exit code that an error stands for."""
    if isinstance(error, ConfigurationError | InvalidInput):
        return USAGE
    if isinstance(error, provider.NotAuthenticated | provider.NotPermitted):
        return NOT_AUTHENTICATED
    if isinstance(error, provider.Unreachable | provider.ProviderFault):
        return UNREACHABLE
    return OTHER
