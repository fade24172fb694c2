"""A directory of all people that tests name, for cores without a Slack bot beside them."""

from vpsops.core.identity.accounts import AccountAnswer, Names
from vpsops.core.identity.actors import SLACK


class EverybodyKnown:
    """Each Slack id is an account; each e-mail address is the account of its local part."""

    async def find(self, names: Names) -> AccountAnswer:
        """Return the account of the first name, of a Slack id where possible."""
        first = min(names, key=lambda name: not name.startswith(SLACK))
        ident = first.removeprefix(SLACK) if first.startswith(SLACK) else f"U0{first.partition('@')[0].upper()}"
        return AccountAnswer(ident)


EVERYBODY = EverybodyKnown()
