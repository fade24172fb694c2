"""No table changes: code of schema 0009 reads no token that Fernet encrypted, and drops the workspace's messages.

The bot, which has the key, encrypts all tokens again when it starts; this version reads both formats.
"""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """End processes of the older version, which must not stay beside ours."""
