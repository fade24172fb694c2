"""A TLS context for clients that speak plain HTTP only: the usual one reads all certificates of the machine."""

import ssl
from typing import Final

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""It trusts no certificate; loading the usual trust for each client takes 20 milliseconds of processor time."""
