"""The provider's secret, and which header carries it."""

from dataclasses import dataclass, field
from typing import Final, Literal, Self

from vpsops.core.common.errors import ConfigurationError

HeaderChoice = Literal["auto", "x-api-key", "bearer"]
PAT: Final = "wayscloud_pat_"
MIN_SECRET: Final = 8


@dataclass(frozen=True, slots=True)
class Credentials:
    """A secret that never shows in a repr; `auto` sends personal access tokens as Bearer and all else as X-API-Key.

    The public sources disagree on which kind of secret reaches the VPS service in which header, so the choice is open.
    """

    secret: str = field(repr=False)
    header: HeaderChoice = "auto"

    def __post_init__(self) -> None:
        secret = self.secret.strip()
        if len(secret) < MIN_SECRET or not (secret.isascii() and secret.isprintable()) or " " in secret:
            raise ConfigurationError(
                "The WAYSCloud key is not usable.",
                hint="WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN is one word of plain characters, as the portal showed it.",
            )
        object.__setattr__(self, "secret", secret)

    @classmethod
    def choose(cls, api_key: str | None, token: str | None, header: HeaderChoice = "auto") -> Self:
        """Return the credentials of whichever secret is set, the key before the token; raise when neither is."""
        secret = (api_key or "").strip() or (token or "").strip()
        if not secret:
            raise ConfigurationError("There is no WAYSCloud key.", hint="Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN.")
        return cls(secret, header)

    def headers(self) -> dict[str, str]:
        """Return the authentication header."""
        bearer = self.header == "bearer" or (self.header == "auto" and self.secret.lower().startswith(PAT))
        return {"Authorization": f"Bearer {self.secret}"} if bearer else {"X-API-Key": self.secret}
