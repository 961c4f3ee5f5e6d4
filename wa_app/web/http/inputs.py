"""What a caller sent, checked. Nonsense becomes a `WrongInput` that names the field."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from flask import request

from wa_app.domain.errors import WrongInput
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.services.connections.overview import SORTS, Query

MAX_NAME = 100

LONGEST_WAIT = 15.0
"""Seconds; who waits for the end of what is asked for is told after that how far it is."""

_Parser = Callable[[str, Any], Any]
Word = TypeVar("Word", bound=StrEnum)


# ---- the JSON of a request


def body(**fields: type) -> dict[str, Any]:
    """The JSON object of the request with the `fields` it may have; a field that is absent or
    null is left out. No body at all is an empty object."""
    sent = _object()
    for name in sent:
        if name not in fields:
            raise WrongInput(name[:MAX_NAME], "unknown_field")
    return {
        name: PARSERS[kind](name, sent[name])
        for name, kind in fields.items()
        if sent.get(name) is not None
    }


def is_null(name: str) -> bool:
    """Whether the body names the field to say that there is to be none."""
    return name in (sent := _object()) and sent[name] is None


def required(sent: Mapping[str, Any], name: str) -> Any:
    if name not in sent:
        raise WrongInput(name, "required")
    return sent[name]


def _object() -> dict[str, Any]:
    raw = request.get_data()
    if not raw.strip():
        return {}
    try:
        sent = json.loads(raw)
    except (ValueError, RecursionError):
        raise WrongInput("body", "not_json") from None
    if not isinstance(sent, dict):
        raise WrongInput("body", "not_an_object")
    return sent


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongInput(name, "not_true_or_false")
    return value


def text(name: str, value: Any) -> str:
    """Text that every database can keep: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or "\0" in value:
        raise WrongInput(name, "not_text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WrongInput(name, "not_text") from None
    return value


def _channel(name: str, value: Any) -> Channel:
    try:
        return Channel(value)
    except ValueError:
        raise WrongInput(name, "unknown_channel") from None


def _whole(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**31:
        raise WrongInput(name, "not_a_number")
    return value


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise WrongInput(name, "not_a_list")
    return [text(name, one) for one in value]


PARSERS: Mapping[type, _Parser] = {
    bool: _truth,
    str: text,
    list: _texts,
    int: _whole,
    Channel: _channel,
}


# ---- what stands in the address


def seconds(name: str, *, default: float, most: float) -> float:
    """A number of seconds in the query."""
    text = request.args.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise WrongInput(name, "not_a_number") from None
    if not 0 <= value <= most:  # NaN is outside too
        raise WrongInput(name, "not_a_number")
    return value


def whole(name: str, *, default: int | None, most: int) -> int | None:
    """A whole number from 1 in the query."""
    text = request.args.get(name)
    return default if text is None else number(name, text, least=1, most=most)


def number(name: str, text: str, *, least: int, most: int) -> int:
    """A whole number that somebody wrote."""
    digits = text.isascii() and text.isdecimal() and len(text) <= 18
    if not digits or not least <= int(text) <= most:
        raise WrongInput(name, "not_a_number")
    return int(text)


def words_asked() -> str:
    return request.args.get("q", "").strip()[:200]


def query_asked() -> Query:
    """What a list of connections is asked for. Raises `WrongInput`."""
    sort = request.args.get("sort", "user")
    if sort.removeprefix("-") not in SORTS:
        raise WrongInput("sort", "unknown_word")
    return Query(
        words=words_asked(),
        status=_word("status", Status),
        hold=_word("hold", Hold),
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        page=whole("page", default=1, most=100_000) or 1,
    )


def _word(name: str, words: type[Word]) -> Word | None:
    text = request.args.get(name)
    try:
        return words(text) if text else None
    except ValueError:
        raise WrongInput(name, "unknown_word") from None
