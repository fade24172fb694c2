"""Wire forms of the same servers: renderers, one class for each set of names that a source uses.

`Seed` is the API page to the letter, `Terraform` what the Terraform provider reads, `Sdk` what the official Python
SDK requests and the command line prints, `Live` what all of them can work with. Where no source shows an answer, the
class states its assumption.
"""

from vpsops.playground.wayscloud.dialects.base import Dialect, Json
from vpsops.playground.wayscloud.dialects.live import Live
from vpsops.playground.wayscloud.dialects.sdk import Sdk
from vpsops.playground.wayscloud.dialects.seed import Seed
from vpsops.playground.wayscloud.dialects.terraform import Terraform

__all__ = ["DEFAULT", "DIALECTS", "Dialect", "Json"]

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (Live(), Seed(), Terraform(), Sdk())}
DEFAULT = Live.name
