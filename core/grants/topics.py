"""The topics of the messages that show grants; front ends read them, which know no table."""

TOPIC = "grant:"
"""How the topics of grants begin; stored."""


def topic_of(grant_id: str) -> str:
    """Return the topic of a grant's messages."""
    return f"{TOPIC}{grant_id}"


def grant_in(topic: str) -> str:
    """Return the id of the grant that a topic is about; "" for any other topic."""
    return topic.removeprefix(TOPIC) if topic.startswith(TOPIC) else ""
