"""Whom the bot never answers, because nobody reads there."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from wa_app.domain.bot import Bot, Question, Verdict, bot_verdict
from wa_app.domain.messages import ONLY_ON_PHONE, MessagePolicy
from wa_app.domain.phone_numbers import is_machine

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LUIS = "34600111222@s.whatsapp.net"
QUESTION = Question("text", "¿Abren hoy?", NOW, LUIS, LUIS, None, [], None, ["¿Abren hoy?"])
BOT = Bot(True, "Hola.")

MACHINES = (
    "867051314767696@bot",  # Meta AI
    "718584497008509@bot",
    "13135550002@s.whatsapp.net",  # Meta AI by number
    "13135559078@s.whatsapp.net",
    "13165550064@s.whatsapp.net",
    "13135550002@c.us",
    "0@s.whatsapp.net",  # announcements
    "0@c.us",
    "16505361212@s.whatsapp.net",  # WhatsApp's own business account
    "16505361212@c.us",
    "server@c.us",
    "@s.whatsapp.net",
    "s.whatsapp.net",
    "34600111222@hosted",
    "200000000000002@hosted.lid",
    "120363000000000002@newsletter",
    "status@broadcast",
    "12345678@broadcast",
)

PEOPLE = (
    LUIS,
    "34600111222@c.us",
    "200000000000002@lid",
    "13135550002@lid",  # a LID looks like a number and is none
    "0@lid",
    "131355500021@s.whatsapp.net",  # a digit more
    "1313555000@s.whatsapp.net",
    "131655500@s.whatsapp.net",
    "165053612120@s.whatsapp.net",
    "120363000000000001@g.us",
    "100@interop",  # a person with another messenger
)


@pytest.mark.parametrize("jid", MACHINES)
def test_a_machine_is_never_answered_and_nobody_waits_for_it(jid: str) -> None:
    assert is_machine(jid)
    for asked in (replace(QUESTION, chat=jid, sender=jid), replace(QUESTION, sender=jid)):
        assert bot_verdict(BOT, asked, NOW, MessagePolicy()) is Verdict.IGNORE
        unreadable = replace(asked, kind=ONLY_ON_PHONE, text="")
        assert bot_verdict(BOT, unreadable, NOW, MessagePolicy()) is Verdict.IGNORE


@pytest.mark.parametrize("jid", PEOPLE)
def test_people_are_no_machines(jid: str) -> None:
    assert not is_machine(jid)


def test_a_person_is_answered() -> None:
    assert bot_verdict(BOT, QUESTION, NOW, MessagePolicy()) is Verdict.ANSWER
