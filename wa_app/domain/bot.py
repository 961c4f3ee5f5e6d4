"""Which messages the bot answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from wa_app.domain.messages import ONLY_ON_PHONE, MessagePolicy
from wa_app.domain.phone_numbers import is_group, is_machine


class Verdict(StrEnum):
    ANSWER = "answer"
    IGNORE = "ignore"  # nothing for a bot
    WAITING = "waiting"  # a person should look: the chat is marked so
    MUTE = "mute"  # a loop: silence in this chat for an hour, and the owner is told


@dataclass(frozen=True)
class Bot:
    """The bot's settings of one connection."""

    enabled: bool
    fallback_text: str


@dataclass(frozen=True)
class Question:
    """An incoming message as the bot sees it. `at` is since when it waits, `chat` and `sender` are
    JIDs. `recent_answers` are the times of the bot's answers in this chat, `last_answer` the text
    of the newest, `recent_texts` the customer's texts, newest first, this one included."""

    kind: str
    text: str
    at: datetime
    chat: str
    sender: str
    muted_until: datetime | None
    recent_answers: Sequence[datetime]
    last_answer: str | None
    recent_texts: Sequence[str]


def bot_verdict(bot: Bot, question: Question, now: datetime, policy: MessagePolicy) -> Verdict:
    if is_group(question.chat) or is_machine(question.chat) or is_machine(question.sender):
        return Verdict.IGNORE
    if question.kind == ONLY_ON_PHONE:
        return Verdict.WAITING
    if not bot.enabled or not bot.fallback_text or question.kind != "text":
        return Verdict.IGNORE
    # What is later than our own clock can have said was noted before the clock was set back.
    muted_until = question.muted_until
    if muted_until is not None and now < muted_until <= now + policy.loop_mute:
        return Verdict.IGNORE
    if now - question.at > policy.bot_max_age:
        return Verdict.WAITING
    return Verdict.MUTE if _is_loop(question, now, policy) else Verdict.ANSWER


def _is_loop(question: Question, now: datetime, policy: MessagePolicy) -> bool:
    window = policy.loop_window
    recent = [at for at in question.recent_answers if timedelta(0) <= now - at <= window]
    if len(recent) >= policy.loop_answers:
        return True
    echoes = question.recent_texts[:2]
    return len(echoes) == 2 and all(text == question.last_answer for text in echoes)
