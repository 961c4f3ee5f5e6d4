"""Every state, hold, cause and code has words, and every page can say them in every language."""

import html
import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from tests.web.conftest import Person, heartbeat, observe
from wa_app.domain import errors as domain_errors
from wa_app.domain.errors import Refused, WrongInput
from wa_app.domain.messages import FailCause, MessageState
from wa_app.domain.practice import FAULTS
from wa_app.domain.sessions.closes import CLOSE_CODES, CloseClass, Reason
from wa_app.domain.sessions.states import Action, Channel, Hold, Status
from wa_app.extensions import db
from wa_app.models import Connection, ConnectionEvent, Owner, utc_now
from wa_app.web.http.access import LOCALES
from wa_app.web.pages import cards
from wa_app.wording import closes, connections, messages, practice, refusals
from wa_app.wording.connections import IN_THE_DIALOG, ON_THE_CARD

TABLES = {
    "wording.connections.STATUS_BADGES": (connections.STATUS_BADGES, Status),
    "wording.connections.HOLD_BADGES": (connections.HOLD_BADGES, Hold),
    "wording.connections.HOLDS": (connections.HOLDS, Hold),
    "web.pages.cards.BUTTONS": (cards.BUTTONS, Action),
    "web.pages.cards.STOP_BUTTONS": (cards.STOP_BUTTONS, Status),
    "web.pages.cards.EMPTY": (cards.EMPTY, Channel),
    "wording.connections.TABS": (connections.TABS, Channel),
    "wording.closes.REASONS": (closes.REASONS, Reason),
    "wording.closes.CLOSE_CLASSES": (closes.CLOSE_CLASSES, CloseClass),
    "wording.practice.FAULTS": (practice.FAULTS, FAULTS),
    "wording.messages.MESSAGE_STATES": (messages.MESSAGE_STATES, MessageState),
    "wording.messages.FAIL_CAUSES": (messages.FAIL_CAUSES, FailCause),
}


@pytest.mark.parametrize("where", TABLES)
def test_every_member_has_a_row(where: str) -> None:
    table, members = TABLES[where]
    assert set(members) - set(table) == set(), f"wa_app.{where} has no row for these"
    assert set(table) == set(members)


def _refusals(kind: type[Refused] = Refused) -> Iterator[type[Refused]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _refusals(narrower)


@pytest.mark.parametrize("kind", sorted(set(_refusals()), key=lambda kind: kind.__name__))
def test_every_refusal_has_a_status_and_words(kind: type[Refused]) -> None:
    assert 400 <= refusals.ERRORS[kind.error].status < 500


def test_every_problem_the_code_names_has_words(app: Flask) -> None:
    from pathlib import Path

    root = Path(domain_errors.__file__).parent.parent
    named = {
        problem
        for file in root.rglob("*.py")
        for problem in re.findall(r"WrongInput\([^,()]+, \"(\w+)\"", file.read_text())
    }
    assert len(named) > 8
    with app.test_request_context():
        for problem in named:
            assert problem in refusals.PROBLEMS, problem
            assert refusals.sentence_of(WrongInput("anything", problem)).endswith(".")


# ---- every state on every page


STATES: list[tuple[Status, Hold | None, Reason | None]] = [
    *((status, None, reason) for status in Status for reason in (None, Reason.CONNECTION_LOST)),
    *((Status.DISCONNECTED, hold, None) for hold in Hold),
    *((Status.DISCONNECTED, hold, cause) for hold, cause in connections.HOLD_CAUSES),
    *((Status.DISCONNECTED, Hold.RETRIES_EXHAUSTED, cause) for cause in Reason),
]
"""Each hold, with each cause that changes what it says; and each cause once."""


@pytest.fixture
def in_language(app: Flask, ana: Person, request: pytest.FixtureRequest) -> Person:
    with ana.http.session_transaction() as session:
        session["locale"] = request.param
    return ana


@pytest.mark.parametrize("in_language", LOCALES, indirect=True)
@pytest.mark.parametrize("channel", Channel)
def test_every_state_is_shown_in_every_language(
    in_language: Person,
    connection: Connection,
    practice_connection: Connection,
    owner: Owner,
    channel: Channel,
) -> None:
    ana, shown = in_language, set()
    here = practice_connection if channel is Channel.PRACTICE else connection
    soon = utc_now() + timedelta(seconds=30)
    for (status, hold, cause), linked, planned in itertools.product(
        STATES, (False, True), (None, soon)
    ):
        if hold is not None and planned is not None and hold is not Hold.BANNED:
            continue
        heartbeat()  # or on a slow machine its silence would be shown instead of the state
        observe(
            here,
            status=status,
            hold=hold,
            hold_cause=cause,
            hold_until=planned,
            has_credentials=linked,
            next_attempt_at=planned if hold is None else None,
            attempt=2,
            last_code=408 if cause else None,
            last_reason=cause,
            status_since=soon,
            qr_payload="2@x" if status is Status.QR_PENDING else None,
            qr_expires_at=soon,
            pairing_code="ABCD-EFGH" if status is Status.QR_PENDING and linked else None,
        )
        for part in ("card", "pairing"):
            answer = ana.get(f"/live/{here.id}/{part}")
            assert answer.status_code == 200, (status, hold, cause, part)
            shown.add(answer.text)
        if cause is Reason.UNREACHABLE or cause is None:
            assert ana.get(f"/connections/{here.id}/pair").status_code == 200
            assert ana.get(f"/api/whatsapp/status?connection={here.id}").json["message"]
    assert len(shown) > len(Status) + len(Hold)


@pytest.mark.parametrize(
    ("hold", "cause", "linked", "words", "button"),
    [
        (Hold.CONFLICT, Reason.STREAM_REPLACED, True, "Another device took over", "reconnect"),
        (Hold.LOGGED_OUT, Reason.REMOVED, False, "wait some minutes", "connect"),
        (Hold.LOGGED_OUT, Reason.REMOVED_AGAIN, False, "Wait a day", "connect"),
        (Hold.LOGGED_OUT, Reason.LOGGED_OUT, False, "unlinked on the phone", "connect"),
        (Hold.RETRIES_EXHAUSTED, Reason.UNREACHABLE, True, "cannot be reached", "reconnect"),
        (Hold.RETRIES_EXHAUSTED, Reason.UNREACHABLE, False, "cannot be reached", "connect"),
        (Hold.RETRIES_EXHAUSTED, Reason.PROXY_REFUSED, True, "login of the proxy", "reconnect"),
        (Hold.RETRIES_EXHAUSTED, Reason.PROXY_REFUSED, False, "login of the proxy", "connect"),
        (Hold.RETRIES_EXHAUSTED, Reason.CONNECTION_LOST, True, "again and again", "reconnect"),
        (Hold.RETRIES_EXHAUSTED, Reason.RESTART_REQUIRED, True, "not be restored", "reconnect"),
        (Hold.RETRIES_EXHAUSTED, Reason.PROCESS_DIED, True, "short of memory", "reconnect"),
        (Hold.RETRIES_EXHAUSTED, Reason.SERVICE_STOPPED, True, "was restarted", "reconnect"),
        (Hold.RETRIES_EXHAUSTED, Reason.LIBRARY_FAULT, True, "keeps failing", "reconnect"),
        (Hold.RETRIES_EXHAUSTED, Reason.LIBRARY_FAULT, False, "keeps failing", "connect"),
        (Hold.REFUSED, Reason.REFUSED, True, "once a day", None),
        (Hold.REFUSED, Reason.REFUSED, False, "Wait a day", "connect"),
        (Hold.REFUSED, Reason.PAIRING_REFUSED, False, "the QR code", "connect"),
        (Hold.PASSKEY, Reason.PASSKEY, False, "asks for a passkey", "connect"),
        (Hold.PAIRING_EXPIRED, Reason.PAIRING_TIMEOUT, False, "not scanned in time", "connect"),
        (Hold.OTHER_NUMBER, Reason.OTHER_NUMBER, True, "Another number", "accept-number"),
        (Hold.OTHER_NUMBER, Reason.OTHER_NUMBER, True, "Another number", "unlink-number"),
        (Hold.BANNED, Reason.BANNED, True, "blocked this number", None),
        (Hold.CLIENT_OUTDATED, Reason.CLIENT_OUTDATED, True, "newer version", None),
    ],
)
def test_each_trouble_comes_with_its_cause_and_a_button_that_helps(
    ana: Person,
    connection: Connection,
    owner: Owner,
    hold: Hold,
    cause: Reason,
    linked: bool,
    words: str,
    button: str | None,
) -> None:
    observe(connection, hold=hold, hold_cause=cause, has_credentials=linked, last_code=440)
    page = ana.get("/").text
    card = page.partition('id="live-card"')[2].partition("<details")[0]
    assert words in card
    assert ("btn-primary" in card) == (button is not None)
    if button:
        assert f'/connections/{connection.id}/{button}"' in card
    assert "/help/codes#440" in card


@pytest.mark.parametrize(
    ("hold", "words"), [(Hold.REFUSED, "Next attempt in"), (Hold.BANNED, "It ends in")]
)
def test_what_happens_at_the_end_of_a_hold_is_said(
    ana: Person, connection: Connection, owner: Owner, hold: Hold, words: str
) -> None:
    until = utc_now() + timedelta(hours=20)
    observe(connection, hold=hold, hold_until=until, has_credentials=True, attempt=5)
    assert words in ana.get(f"/live/{connection.id}/card").text


def _controls_named_and_there(part: str) -> tuple[set[str], set[str]]:
    """What the text of a part of a page says to press, and the words on its buttons."""
    words = {str(word) for word in (*ON_THE_CARD.values(), *IN_THE_DIALOG.values())}
    text = html.unescape(re.sub(r"<[^>]+>", " ", part))
    named = re.findall(rf"[Pp]ress ({'|'.join(words)})\b", text)
    assert len(named) == len(re.findall(r"[Pp]ress ", text)), text
    buttons = re.findall(r"<button[^>]*>(.*?)</button>", part, re.DOTALL)
    return set(named), {html.unescape(re.sub(r"<[^>]+>", "", one)).strip() for one in buttons}


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "not linked"])
def test_what_a_text_says_to_press_stands_beside_it(
    ana: Person, carla: Person, connection: Connection, owner: Owner, linked: bool
) -> None:
    named_at_all = set()
    for status, hold, cause in STATES:
        heartbeat()
        observe(
            connection,
            status=status,
            hold=hold,
            hold_cause=cause,
            last_reason=cause,
            has_credentials=linked,
        )
        card = ana.get(f"/live/{connection.id}/card").text.partition("<details")[0]
        dialog = ana.get(f"/live/{connection.id}/pairing").text
        row = carla.get("/live/admin/connections").text.partition("<tbody>")[2]
        for place, part in (("card", card), ("dialog", dialog), ("table", row)):
            named, there = _controls_named_and_there(part.partition("</tbody>")[0])
            assert named <= there, (place, status, hold, cause, part)
            named_at_all |= named
    assert named_at_all == ({"Reconnect"} if linked else set()) | {"Connect", "New code"}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.FOLDER_UNUSABLE, "The server cannot save the login"),
        (Reason.UNREACHABLE, "WhatsApp cannot be reached"),
        (Reason.PROXY_REFUSED, "The proxy on the way to WhatsApp lets nobody through"),
        (Reason.SERVER_ERROR, "WhatsApp has a problem of its own"),
        (Reason.REFUSED, "WhatsApp does not let this number in"),
        (Reason.LIBRARY_FAULT, "The program part that talks to WhatsApp failed"),
        (Reason.PROCESS_DIED, "ended unexpectedly on this server"),
        (Reason.SERVICE_STOPPED, "This service was restarted"),
        (Reason.KEEPALIVE_TIMEOUT, "WhatsApp did not answer"),
    ],
)
def test_a_pairing_that_is_tried_again_says_what_it_waits_for(
    ana: Person, connection: Connection, owner: Owner, reason: Reason, words: str
) -> None:
    soon = utc_now() + timedelta(seconds=30)
    observe(connection, status=Status.CONNECTING, next_attempt_at=soon, last_reason=reason)
    assert words in ana.get(f"/live/{connection.id}/pairing").text


@pytest.mark.parametrize("in_language", LOCALES, indirect=True)
def test_a_restored_login_that_was_unlinked_names_the_copy_that_can_be_taken_back(
    in_language: Person, connection: Connection, owner: Owner
) -> None:
    at = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
    observe(connection, hold=Hold.LOGGED_OUT, hold_cause=Reason.LOGGED_OUT, replaced_copy_at=at)
    for part in ("card", "pairing"):
        shown = in_language.get(f"/live/{connection.id}/{part}").text
        assert "2026, 09:30 UTC" in shown
        assert f'/connections/{connection.id}/take-back"' in shown
    document = in_language.get("/api/whatsapp/status").json
    assert document["replacedCopyAt"] == "2026-03-05T09:30:00.000Z"
    assert document["explanation"]["action"] == "TAKE_BACK"


def test_every_event_is_told(ana: Person, connection: Connection) -> None:
    for status, hold, reason in itertools.product(Status, (None, *Hold), (None, *Reason)):
        event = ConnectionEvent(
            connection_id=connection.id, status=status, hold=hold, reason=reason, code=408
        )
        db.session.add(event)
    db.session.commit()
    newest = ana.get("/api/whatsapp/events?limit=200").json["events"]
    for before in range(newest[0]["id"] + 1, 0, -50):
        assert ana.get(f"/history?before={before}").status_code == 200


def test_the_help_page_is_drawn_from_the_table_of_codes(ana: Person) -> None:
    page = ana.get("/help/codes").text
    for code in CLOSE_CODES:
        assert f'id="{code}"' in page
    for kind in CloseClass:
        assert f'data-testid="class-{kind}"' in page


def test_every_fault_has_its_switch_and_its_words(
    ana: Person, practice_connection: Connection
) -> None:
    page = ana.get("/practice").text
    for kind in FAULTS:
        assert f'data-testid="fault-{kind}"' in page
        assert str(practice.FAULTS[kind].title) in page


def test_people_are_never_shouted_at_or_given_jargon() -> None:
    from babel.messages.pofile import read_po

    from tests.web.test_translations import PO

    with PO.open("rb") as file:
        for message in [one for one in read_po(file, locale="es") if one.id]:
            for text in (str(message.id), str(message.string)):
                assert "!" not in text
                assert "¡" not in text
                assert "socket" not in text.lower()
