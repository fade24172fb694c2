"""What keeps a release from being made."""


class ReleaseError(Exception):
    """A reason for people, with what to do."""
