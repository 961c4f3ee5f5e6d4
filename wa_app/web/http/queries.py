"""What the address of a list asks for."""

from enum import StrEnum
from typing import TypeVar

from flask import request

from wa_app.domain.errors import WrongInput
from wa_app.domain.sessions.states import Hold, Status
from wa_app.services.connections.overview import SORTS, Query
from wa_app.web.http import inputs

Word = TypeVar("Word", bound=StrEnum)


def words_asked() -> str:
    return request.args.get("q", "").strip()[:200]


def query_asked() -> Query:
    """Of the connections. Raises `WrongInput`."""
    sort = request.args.get("sort", "user")
    if sort.removeprefix("-") not in SORTS:
        raise WrongInput("sort", "unknown_word")
    return Query(
        words=words_asked(),
        status=_word("status", Status),
        hold=_word("hold", Hold),
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        page=inputs.whole("page", default=1, most=100_000) or 1,
    )


def _word(name: str, words: type[Word]) -> Word | None:
    text = request.args.get(name)
    try:
        return words(text) if text else None
    except ValueError:
        raise WrongInput(name, "unknown_word") from None
