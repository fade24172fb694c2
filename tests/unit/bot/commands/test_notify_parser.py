"""The arguments of /vps notify are parsed exactly, or refused with the correct form."""

import pytest

from vpsops.bot.commands.notify_parser import AddSubscription, RemoveSubscription, ShowSubscriptions, parse_subscription
from vpsops.bot.protocol.text_normalization import split_command
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.messaging.subscriptions import WITHOUT_THRESHOLD, SubscriptionEvent, SubscriptionOptions, Threshold

NIGHT = SubscriptionOptions(quiet=("22:00-07:00",), zone="Europe/Oslo")


def typed(text: str) -> list[str]:
    """Return the words as they come from Slack, without `notify` itself."""
    return split_command(text)[0][1:]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("notify", ShowSubscriptions()),
        ("notify off sub_0123456789ab", RemoveSubscription("sub_0123456789ab")),
        ("notify drift", AddSubscription(frozenset({SubscriptionEvent.DRIFT}))),
        ("notify all", AddSubscription(WITHOUT_THRESHOLD)),
        (
            "notify Drift,settled ON web* db01",
            AddSubscription(frozenset({SubscriptionEvent.DRIFT, SubscriptionEvent.SETTLED}), ("web*", "db01")),
        ),
        (
            "notify drift settled on web*,db*",
            AddSubscription(frozenset({SubscriptionEvent.DRIFT, SubscriptionEvent.SETTLED}), ("web*", "db*")),
        ),
        (
            "notify drift on web* quiet 22:00\u201307:00 Europe/Oslo",
            AddSubscription(frozenset({SubscriptionEvent.DRIFT}), ("web*",), NIGHT),
        ),
        (
            "notify drift quiet 22-7 Europe/Oslo on web*",
            AddSubscription(frozenset({SubscriptionEvent.DRIFT}), ("web*",), NIGHT),
        ),
        (
            "notify provider quiet Sat-Sun mon-fri 18:00-08:00 utc",
            AddSubscription(
                frozenset({SubscriptionEvent.PROVIDER}),
                options=SubscriptionOptions(quiet=("Sat-Sun", "mon-fri 18:00-08:00")),
            ),
        ),
        (
            "notify cpu&gt;90 for 5m mem&gt;95% for 1h on &lt;&gt;",
            AddSubscription(
                frozenset({SubscriptionEvent.USAGE}),
                ("<>",),
                SubscriptionOptions(usage=(Threshold("cpu", 90, 5), Threshold("memory", 95, 60))),
            ),
        ),
        (
            "notify drift disk&gt;80.5 zone Europe/Oslo",
            AddSubscription(
                frozenset({SubscriptionEvent.DRIFT, SubscriptionEvent.USAGE}),
                options=SubscriptionOptions(zone="Europe/Oslo", usage=(Threshold("disk", 80.5, 10),)),
            ),
        ),
    ],
)
def test_it_is_read_in_any_order(text: str, meant: object) -> None:
    """Events, servers, quiet hours and thresholds, as phones and Slack spell them."""
    assert parse_subscription(typed(text)) == meant


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("notify drift web*", "Unexpected word 'web*'"),
        ("notify on web*", "at least one event"),
        ("notify drift on", "on is followed"),
        ("notify drift on web* on db*", "on is followed"),
        ("notify drift on web* settled quiet", "quiet is followed"),
        ("notify drift quiet soon", "quiet is followed"),
        ("notify drift quiet 25:00-26:00", "quiet hours cannot be read"),
        ("notify drift quiet 22:00-07:00 Mars/Base", "not a time zone"),
        ("notify usage", "needs a threshold"),
        ("notify cpu&gt;90 for ever", "for is followed"),
        ("notify off", "Which subscription"),
        ("notify off <!channel>", "Which subscription"),
        ("notify off sub_1 sub_2", "Which subscription"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, answer: str) -> None:
    """Nothing is guessed; the refusal names the word."""
    with pytest.raises(InvalidInputError, match=answer.replace("*", r"\*")):
        parse_subscription(typed(text))
