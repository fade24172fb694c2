"""Fixtures of more than one folder."""

from tests.fakes.audit_trail import cli, stored

__all__ = ["cli", "stored"]
