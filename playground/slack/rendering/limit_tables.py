"""Slack's limits on blocks and elements as data (docs.slack.dev, Block Kit reference)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

EVERYWHERE = frozenset({"message", "modal", "home"})
MESSAGE = frozenset({"message"})
MODAL = frozenset({"modal"})
MESSAGE_HOME = frozenset({"message", "home"})
PLAIN = frozenset({"plain_text"})
ANY_TEXT = frozenset({"plain_text", "mrkdwn"})

BLOCKS_ON = {"message": 50, "modal": 100, "home": 100}
UPDATE_TEXT = 4000
MARKDOWN_TOTAL = 12_000
TABLE_CHARACTERS = 10_000
DATA_TABLE_CHARACTERS = 20_000
VIEW_TEXTS = {"title": 24, "submit": 24, "close": 24}
VIEW_STRINGS = {"private_metadata": 3000, "callback_id": 255, "external_id": 255}
VIEW_BYTES = 250_000
BUTTON_STYLES = frozenset({"primary", "danger"})


@dataclass(frozen=True, slots=True)
class Text:
    """A text object: how long, of which kinds."""

    limit: int
    kinds: frozenset[str] = PLAIN


@dataclass(frozen=True, slots=True)
class CountLimit:
    """A list: how many at least and at most."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Spec:
    """What Slack accepts of one block, element or object."""

    required: tuple[str, ...] = ()
    strings: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, Text] = field(default_factory=dict)
    counts: Mapping[str, CountLimit] = field(default_factory=dict)
    numbers: Mapping[str, CountLimit] = field(default_factory=dict)
    elements: Mapping[str, frozenset[str]] = field(default_factory=dict)
    surfaces: frozenset[str] = EVERYWHERE
    others: tuple[str, ...] = ()
    open: bool = False

    def known(self) -> frozenset[str]:
        """Return every property Slack accepts."""
        named = (*self.required, *self.strings, *self.texts, *self.counts, *self.numbers, *self.elements, *self.others)
        return frozenset({"type", "block_id", *named})


_ID = {"action_id": 255}
_SELECTS = frozenset(
    {"static_select", "external_select", "users_select", "conversations_select", "channels_select"},
)
_MULTI = frozenset({"multi_" + each for each in _SELECTS})
_CHOICES = frozenset({"checkboxes", "radio_buttons"})
_PICKERS = frozenset({"datepicker", "timepicker", "datetimepicker"})
_TYPED = frozenset({"plain_text_input", "number_input", "email_text_input", "url_text_input", "rich_text_input"})
ACTION_ELEMENTS = _SELECTS | _MULTI | _CHOICES | _PICKERS | {"button", "overflow", "workflow_button"}
ACCESSORIES = ACTION_ELEMENTS | {"image"}
INPUT_ELEMENTS = _SELECTS | _MULTI | _CHOICES | _PICKERS | _TYPED | {"file_input"}

BLOCKS: Mapping[str, Spec] = {
    "section": Spec(
        texts={"text": Text(3000, ANY_TEXT)},
        counts={"fields": CountLimit(1, 10)},
        elements={"accessory": ACCESSORIES},
        others=("expand",),
    ),
    "header": Spec(required=("text",), texts={"text": Text(150)}),
    "divider": Spec(),
    "context": Spec(required=("elements",), counts={"elements": CountLimit(1, 10)}),
    "actions": Spec(
        required=("elements",), counts={"elements": CountLimit(1, 25)}, elements={"elements": ACTION_ELEMENTS}
    ),
    "image": Spec(
        required=("alt_text",),
        strings={"alt_text": 2000, "image_url": 3000},
        texts={"title": Text(2000)},
        others=("slack_file",),
    ),
    "input": Spec(
        required=("label", "element"),
        texts={"label": Text(2000), "hint": Text(2000)},
        elements={"element": INPUT_ELEMENTS},
        others=("optional", "dispatch_action"),
    ),
    "markdown": Spec(required=("text",), strings={"text": MARKDOWN_TOTAL}, surfaces=MESSAGE),
    "rich_text": Spec(required=("elements",), open=True),
    "video": Spec(required=("title", "video_url", "thumbnail_url", "alt_text"), texts={"title": Text(200)}, open=True),
    "table": Spec(
        required=("rows",), counts={"rows": CountLimit(1, 100)}, surfaces=MESSAGE_HOME, others=("column_settings",)
    ),
    "data_table": Spec(
        required=("rows", "caption"),
        counts={"rows": CountLimit(2, 201)},
        numbers={"page_size": CountLimit(1, 100)},
        surfaces=MESSAGE_HOME,
        others=("row_header_column_index",),
    ),
    "data_visualization": Spec(required=("title", "chart"), strings={"title": 50}, surfaces=MESSAGE),
    "card": Spec(
        texts={"title": Text(150, ANY_TEXT), "subtitle": Text(150, ANY_TEXT), "body": Text(200, ANY_TEXT)},
        counts={"actions": CountLimit(1, 3)},
        elements={"actions": frozenset({"button"})},
        others=("hero_image", "icon"),
    ),
    "carousel": Spec(required=("elements",), counts={"elements": CountLimit(1, 10)}),
    "container": Spec(
        required=("child_blocks",),
        texts={"title": Text(150), "subtitle": Text(150, ANY_TEXT)},
        counts={"child_blocks": CountLimit(1, 10)},
        open=True,
    ),
    "alert": Spec(required=("text",), texts={"text": Text(200, ANY_TEXT)}, surfaces=MODAL, others=("level",)),
    "plan": Spec(required=("title",), counts={"tasks": CountLimit(0, 50)}, surfaces=MESSAGE),
    "task_card": Spec(required=("task_id", "title"), surfaces=MESSAGE, open=True),
    "context_actions": Spec(
        required=("elements",),
        counts={"elements": CountLimit(1, 5)},
        elements={"elements": frozenset({"feedback_buttons", "icon_button"})},
        surfaces=MESSAGE,
    ),
}

_COMMON = ("confirm", "focus_on_load")
_PLACEHOLDER = {"placeholder": Text(150)}
_LISTED = {"options": CountLimit(1, 100), "option_groups": CountLimit(1, 100)}
_INPUT_OTHERS = ("dispatch_action_config", "focus_on_load", "initial_value")


def _select(*others: str, multiple: bool = False, listed: bool = False) -> Spec:
    return Spec(
        strings=_ID,
        texts=_PLACEHOLDER,
        counts=_LISTED if listed else {},
        numbers={"max_selected_items": CountLimit(1, 1000)} if multiple else {},
        others=(*_COMMON, *others),
    )


ELEMENTS: Mapping[str, Spec] = {
    "button": Spec(
        required=("text",),
        strings={**_ID, "value": 2000, "url": 3000, "accessibility_label": 75, "agent_prompt": 4000},
        texts={"text": Text(75)},
        others=("confirm", "style", "visible_to_user_ids", "agent_prompt_display", "alt_text"),
    ),
    "static_select": _select("initial_option", listed=True),
    "multi_static_select": _select("initial_options", listed=True, multiple=True),
    "external_select": _select("initial_option", "min_query_length"),
    "multi_external_select": _select("initial_options", "min_query_length", multiple=True),
    "users_select": _select("initial_user"),
    "multi_users_select": _select("initial_users", multiple=True),
    "conversations_select": _select(
        "initial_conversation", "default_to_current_conversation", "filter", "response_url_enabled"
    ),
    "multi_conversations_select": _select(
        "initial_conversations", "default_to_current_conversation", "filter", multiple=True
    ),
    "channels_select": _select("initial_channel", "response_url_enabled"),
    "multi_channels_select": _select("initial_channels", multiple=True),
    "overflow": Spec(required=("options",), strings=_ID, counts={"options": CountLimit(1, 5)}, others=("confirm",)),
    "radio_buttons": Spec(
        required=("options",), strings=_ID, counts={"options": CountLimit(1, 10)}, others=(*_COMMON, "initial_option")
    ),
    "checkboxes": Spec(
        required=("options",), strings=_ID, counts={"options": CountLimit(1, 10)}, others=(*_COMMON, "initial_options")
    ),
    "datepicker": Spec(strings=_ID, texts=_PLACEHOLDER, others=(*_COMMON, "initial_date")),
    "timepicker": Spec(strings=_ID, texts=_PLACEHOLDER, others=(*_COMMON, "initial_time", "timezone")),
    "datetimepicker": Spec(strings=_ID, others=(*_COMMON, "initial_date_time")),
    "plain_text_input": Spec(
        strings=_ID,
        texts=_PLACEHOLDER,
        numbers={"min_length": CountLimit(0, 3000), "max_length": CountLimit(1, 3000)},
        others=(*_INPUT_OTHERS, "multiline"),
    ),
    "number_input": Spec(
        required=("is_decimal_allowed",),
        strings=_ID,
        texts=_PLACEHOLDER,
        others=(*_INPUT_OTHERS, "min_value", "max_value"),
    ),
    "email_text_input": Spec(strings=_ID, texts=_PLACEHOLDER, others=_INPUT_OTHERS),
    "url_text_input": Spec(strings=_ID, texts=_PLACEHOLDER, others=_INPUT_OTHERS),
    "rich_text_input": Spec(strings=_ID, texts=_PLACEHOLDER, open=True),
    "file_input": Spec(strings=_ID, others=("filetypes", "max_files")),
    "image": Spec(required=("alt_text",), strings={"alt_text": 2000, "image_url": 3000}, others=("slack_file",)),
    "workflow_button": Spec(required=("text", "workflow"), strings=_ID, texts={"text": Text(75)}, open=True),
    "feedback_buttons": Spec(strings=_ID, required=("positive_button", "negative_button")),
    "icon_button": Spec(required=("icon", "text"), strings=_ID, texts={"text": Text(75)}, open=True),
}

CONFIRM = Spec(
    required=("title", "text", "confirm", "deny"),
    texts={"title": Text(100), "text": Text(300, ANY_TEXT), "confirm": Text(30), "deny": Text(30)},
    others=("style",),
)
OPTION = Spec(
    required=("text", "value"),
    strings={"value": 150, "url": 3000},
    texts={"text": Text(75, ANY_TEXT), "description": Text(75, ANY_TEXT)},
)
OPTION_GROUP = Spec(required=("label", "options"), texts={"label": Text(75)}, counts={"options": CountLimit(1, 100)})
MARKUP_OPTIONS = _CHOICES
