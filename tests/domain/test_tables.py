"""The facts: close codes, delays, numbers, sends. Every member of every table has its row."""

from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.bot import Bot, Question, Verdict, bot_verdict
from wa_app.domain.errors import WrongInput
from wa_app.domain.messages import (
    MAX_ID,
    ONLY_ON_PHONE,
    Author,
    FailCause,
    MessagePolicy,
    MessageState,
    after_asked_again,
    after_send_failure,
    kept_id,
    reached_all,
)
from wa_app.domain.phone_numbers import e164, jid_of, phone_of, same_address
from wa_app.domain.sessions.closes import CLOSE_CODES, Close, CloseClass, Reason, classify
from wa_app.domain.sessions.policy import Policy
from wa_app.domain.sessions.socket_messages import SendFailure

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENT, DELIVERED, READ = MessageState.SENT, MessageState.DELIVERED, MessageState.READ


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (440, Reason.STREAM_REPLACED, CloseClass.CONFLICT),
        (401, Reason.LOGGED_OUT, CloseClass.LOGGED_OUT),
        (403, Reason.LOGGED_OUT, CloseClass.LOGGED_OUT),
        (406, Reason.LOGGED_OUT, CloseClass.LOGGED_OUT),
        (428, Reason.LOGGED_OUT, CloseClass.LOGGED_OUT),
        (405, Reason.CLIENT_OUTDATED, CloseClass.OUTDATED),
        (402, Reason.BANNED, CloseClass.BANNED),
        (515, Reason.RESTART_REQUIRED, CloseClass.EXPECTED),
        (408, Reason.CONNECT_TIMEOUT, CloseClass.TRANSIENT),
        *((code, Reason.REFUSED, CloseClass.REFUSED) for code in (400, 404, 409, 411, 418, 429)),
        (None, Reason.REFUSED, CloseClass.REFUSED),  # the code was lost
        (499, Reason.LIBRARY_FAULT, CloseClass.REFUSED),
        (None, Reason.LIBRARY_FAULT, CloseClass.TRANSIENT),
        (None, Reason.DEAF, CloseClass.DEAF),
        (None, Reason.REMOVED, CloseClass.LOGGED_OUT),
        (401, Reason.REMOVED_AGAIN, CloseClass.LOGGED_OUT),
        (500, Reason.SERVER_ERROR, CloseClass.TRANSIENT),
        (503, Reason.SERVER_ERROR, CloseClass.TRANSIENT),
        (None, Reason.PROCESS_DIED, CloseClass.TRANSIENT),
        (999, Reason.SERVER_ERROR, CloseClass.TRANSIENT),
        # A bare stream error 401 with the device still in the file is no logout.
        (401, Reason.CONNECTION_LOST, CloseClass.TRANSIENT),
        (None, Reason.FILE_CORRUPT, CloseClass.CORRUPT),
        (408, Reason.PAIRING_TIMEOUT, CloseClass.PAIRING_EXPIRED),
    ],
)
def test_what_a_close_means(code: int | None, reason: Reason, expected: CloseClass) -> None:
    assert classify(Close(code, reason)) is expected


def test_every_class_has_a_code_or_a_reason() -> None:
    reached = {classify(Close(code, Reason.LOGGED_OUT)) for code in CLOSE_CODES}
    reached |= {classify(Close(None, reason)) for reason in Reason}
    assert reached == set(CloseClass)


def test_the_delays_double_up_to_a_minute() -> None:
    delays = [Policy().delay(attempt, 0.0).total_seconds() for attempt in range(1, 8)]
    assert delays == [2, 4, 8, 16, 32, 60, 60]


def test_the_jitter_adds_up_to_a_tenth() -> None:
    assert Policy().delay(1, 1.0) == timedelta(seconds=2.2)


def test_lifts_that_fail_come_ever_more_slowly() -> None:
    waits = [Policy().lift_delay(lifts).total_seconds() / 60 for lifts in range(7)]
    assert waits == [0, 5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize(
    ("failure", "ends", "state", "cause", "ends_after"),
    [
        (SendFailure.NOT_SENT, 0, MessageState.PENDING, None, 0),
        (SendFailure.NOT_SENT, 1, MessageState.PENDING, None, 1),
        (SendFailure.UNKNOWN, 0, MessageState.PENDING, None, 1),
        (SendFailure.UNKNOWN, 1, MessageState.FAILED, FailCause.PERHAPS_SENT, 2),
        (SendFailure.LATER, 0, MessageState.PENDING, FailCause.LATER, 0),
        (SendFailure.LATER, 1, MessageState.PENDING, FailCause.LATER, 1),
        (SendFailure.RESTRICTED, 0, MessageState.PENDING, None, 0),
        (SendFailure.REFUSED, 0, MessageState.FAILED, FailCause.REFUSED, 0),
    ],
)
def test_what_becomes_of_a_send(
    failure: SendFailure, ends: int, state: MessageState, cause: FailCause | None, ends_after: int
) -> None:
    outcome = after_send_failure(failure, ends, NOW)
    assert (outcome.state, outcome.cause, outcome.unknown_ends) == (state, cause, ends_after)


def test_what_whatsapp_puts_off_waits_longer_each_time() -> None:
    waits, postponed = [], 0
    for _ in range(9):
        outcome = after_send_failure(SendFailure.LATER, 0, NOW, postponed)
        assert outcome.not_before is not None
        waits.append((outcome.not_before - NOW).total_seconds())
        postponed = outcome.postponed
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert after_send_failure(SendFailure.LATER, 0, NOW, 10**6).not_before is not None


def test_a_line_that_falls_makes_no_pause_shorter() -> None:
    assert after_send_failure(SendFailure.NOT_SENT, 0, NOW, 4).postponed == 4


@pytest.mark.parametrize(
    ("author", "written", "sent", "state"),
    [
        (Author.PERSON, timedelta(days=3), timedelta(hours=24), MessageState.PENDING),
        (Author.PERSON, timedelta(hours=25), timedelta(hours=24.1), MessageState.FAILED),
        (Author.BOT, timedelta(minutes=30), timedelta(minutes=30), MessageState.PENDING),
        (Author.BOT, timedelta(minutes=31), timedelta(minutes=1), MessageState.FAILED),
    ],
)
def test_what_could_not_be_read_is_sent_anew_while_it_is_of_use(
    author: Author, written: timedelta, sent: timedelta, state: MessageState
) -> None:
    outcome = after_asked_again(author, NOW - written, NOW - sent, MessagePolicy(), NOW)
    assert outcome.state is state
    assert (outcome.cause is FailCause.UNREADABLE) == (state is MessageState.FAILED)


LUIS, GROUP = "34600111222@s.whatsapp.net", "120363000000000001@g.us"


def question(**changes: object) -> Question:
    usual: dict[str, object] = {
        "kind": "text",
        "text": "¿abren hoy?",
        "at": NOW,
        "chat": LUIS,
        "sender": LUIS,
        "muted_until": None,
        "recent_answers": [],
        "last_answer": None,
        "recent_texts": ["¿abren hoy?"],
    }
    return Question(**usual | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.ANSWER),
        ({"chat": GROUP}, Verdict.IGNORE),
        ({"kind": ONLY_ON_PHONE}, Verdict.WAITING),
        ({"kind": ONLY_ON_PHONE, "muted_until": NOW + timedelta(minutes=1)}, Verdict.WAITING),
        ({"kind": ONLY_ON_PHONE, "chat": GROUP}, Verdict.IGNORE),
        ({"kind": "image"}, Verdict.IGNORE),
        ({"muted_until": NOW + timedelta(minutes=1)}, Verdict.IGNORE),
        ({"muted_until": NOW - timedelta(minutes=1)}, Verdict.ANSWER),
        ({"at": NOW - timedelta(minutes=5)}, Verdict.ANSWER),
        ({"at": NOW - timedelta(minutes=5, seconds=1)}, Verdict.WAITING),
        ({"recent_answers": [NOW - timedelta(minutes=9)] * 9}, Verdict.ANSWER),
        ({"recent_answers": [NOW - timedelta(minutes=9)] * 10}, Verdict.MUTE),
        ({"recent_answers": [NOW - timedelta(minutes=11)] * 10}, Verdict.ANSWER),
        ({"recent_texts": ["Hola."], "last_answer": "Hola."}, Verdict.ANSWER),
        ({"recent_texts": ["Hola.", "Hola."], "last_answer": "Hola."}, Verdict.MUTE),
    ],
)
def test_which_messages_the_bot_answers(changes: dict[str, object], verdict: Verdict) -> None:
    bot = Bot(enabled=True, fallback_text="Hola.")
    assert bot_verdict(bot, question(**changes), NOW, MessagePolicy()) is verdict


@pytest.mark.parametrize("bot", [Bot(False, "Hola."), Bot(True, "")])
def test_a_bot_that_is_off_or_has_no_answer_is_silent(bot: Bot) -> None:
    assert bot_verdict(bot, question(), NOW, MessagePolicy()) is Verdict.IGNORE


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+34 600 111 222", "+34600111222"),
        ("0034600111222", "+34600111222"),
        ("+1 (202) 555-0143", "+12025550143"),
    ],
)
def test_numbers_are_taken_as_people_write_them(written: str, number: str) -> None:
    assert e164(written) == number
    assert phone_of(jid_of(written)) == number


@pytest.mark.parametrize(
    "nonsense", ["", "600111222", "+0123456789", "+34", "hello", "+346001112223334445", "x@y"]
)
def test_what_is_no_number_is_refused(nonsense: str) -> None:
    with pytest.raises(WrongInput):
        jid_of(nonsense)


# ---- addresses, and receipts of many


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (LUIS, LUIS, True),
        (LUIS, "34600111223@s.whatsapp.net", False),
        ("5511987654321@s.whatsapp.net", "551187654321@s.whatsapp.net", True),
        ("5215512345678@s.whatsapp.net", "525512345678@s.whatsapp.net", True),
        ("200000000000002@lid", "200000000000002@lid", True),
        ("200000000000002@lid", "200000000000003@lid", False),
        ("34600111222@lid", LUIS, False),  # a LID looks like a number and is none
        ("5215512345678@lid", "525512345678@lid", False),
        (GROUP, GROUP, True),
    ],
)
def test_one_address_in_two_spellings(one: str, other: str, same: bool) -> None:
    assert same_address(one, other) is same
    assert same_address(other, one) is same


@pytest.mark.parametrize(
    ("states", "all_of_them"),
    [
        ([READ], READ),
        ([READ, READ, DELIVERED], DELIVERED),
        ([READ, SENT, DELIVERED], SENT),
        ([SENT, SENT], SENT),
    ],
)
def test_a_group_is_as_far_as_the_one_who_is_least_far(
    states: list[MessageState], all_of_them: MessageState
) -> None:
    assert reached_all(states) is all_of_them


@pytest.mark.parametrize("length", [1, MAX_ID - 1, MAX_ID, MAX_ID + 1, 100_000])
def test_ids_of_any_length_are_kept_apart(length: int) -> None:
    ids = ["X" * length, "X" * length + "Y", "Y" + "X" * length]
    kept = [kept_id(one) for one in ids]
    assert len(set(kept)) == 3
    assert all(len(one) <= MAX_ID for one in kept)
    if length < MAX_ID:
        assert kept == ids
