"""Users, their passwords and their links: what may happen, and what never."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update

from wa_app.domain.errors import (
    ConnectionLimit,
    EmailTaken,
    InvitationNotFound,
    LastAdmin,
    TooOften,
    UserInactive,
    UserNotFound,
    WrongInput,
    WrongPassword,
)
from wa_app.domain.sessions.states import Channel, Hold
from wa_app.extensions import db
from wa_app.models import Audit, Connection, User, utc_now
from wa_app.services.audit import COMMAND_LINE, Actor
from wa_app.services.connections import registry
from wa_app.services.users import accounts, invitations, user_list

PASSWORD = "correct horse battery"
CARLA = Actor("carla@example.com", "10.0.0.3")


@pytest.fixture(autouse=True)
def in_app(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def new(name: str, role: str = "user") -> User:
    return accounts.create(COMMAND_LINE, f"{name}@example.com", PASSWORD, role=role)


def invite(name: str) -> tuple[User, str]:
    made = invitations.create(CARLA, f"{name}@example.com", utc_now())
    return made.user, made.secret


def renew(user: User) -> str:
    return invitations.renew(CARLA, user, utc_now()).secret


def actions() -> list[tuple[str, str, str]]:
    rows = db.session.query(Audit).order_by(Audit.id)
    return [(row.action, row.target, row.outcome) for row in rows]


# ---- e-mails and names


NO_ADDRESSES = (
    "",
    "ana",
    "@example.com",
    "ana@",
    "a@b@c",
    "ana @example.com",
    "ana@example.com\nBcc: all@example.com",
    "ana@example.com\0",
    "ana@example.com,bruno@example.com",
    "<ana@example.com>",
    "аna@example.com",  # a Cyrillic а
    "ana\u200b@example.com",  # a space of no width
    "ﬁna@example.com",
    "a" * 250 + "@example.com",
)


def test_what_is_no_address_or_looks_like_another_is_refused() -> None:
    for email in NO_ADDRESSES:
        for make in (
            lambda email: accounts.create(COMMAND_LINE, email, PASSWORD),
            lambda email: invitations.create(CARLA, email, utc_now()),
        ):
            with pytest.raises(WrongInput) as refused:
                make(email)
            assert (refused.value.field, refused.value.problem) == ("email", "not_an_email")
    assert db.session.query(User).count() == 0


def test_capitals_and_spaces_make_no_second_user() -> None:
    new("ana")
    for email in ("ANA@example.com", " ana@EXAMPLE.com\t"):
        with pytest.raises(EmailTaken):
            accounts.create(COMMAND_LINE, email, PASSWORD)
        with pytest.raises(EmailTaken):
            invitations.create(CARLA, email, utc_now())
    assert accounts.find(" Ana@Example.com ") is not None


def test_a_name_is_one_line_of_what_can_be_shown() -> None:
    ana = new("ana")
    accounts.change(CARLA, ana, name="  Ana \n <b>Pérez</b>\t")
    assert ana.name == "Ana <b>Pérez</b>"
    for name in ("x" * 101, "a\0b", "gro\u202eevil"):
        with pytest.raises(WrongInput):
            accounts.change(CARLA, ana, name=name)


# ---- links


def test_an_invited_user_chooses_a_password_once() -> None:
    dora, secret = invite("dora")
    assert user_list.state_of(dora) == "invited"
    assert secret not in str(db.session.execute(User.__table__.select()).all())
    assert dora.invite_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert invitations.accept(secret, PASSWORD, utc_now(), "10.0.0.4").id == dora.id
    assert accounts.sign_in("dora@example.com", PASSWORD) is not None
    for again in (secret, secret[:-1], "", dora.email):
        with pytest.raises(InvitationNotFound):
            invitations.accept(again, "another password", utc_now(), None)
    assert actions() == [
        ("user.create", "dora@example.com", "done"),
        ("user.invite", "dora@example.com", "done"),
        ("user.password", "dora@example.com", "set with a link"),
    ]


def test_without_a_password_nobody_signs_in() -> None:
    invite("dora")
    for password in ("", "nobody", PASSWORD):
        assert accounts.sign_in("dora@example.com", password) is None


def test_a_wrong_password_costs_the_same_whoever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash is compared each time, whoever there is."""
    new("ana")
    invite("dora")
    real, seen = accounts._hasher, []

    class Counting:
        def verify(self, known: str, password: str) -> bool:
            seen.append(known[:10])
            return real.verify(known, password)

    monkeypatch.setattr(accounts, "_hasher", Counting())
    for name in ("ana", "dora", "nobody"):
        assert accounts.sign_in(f"{name}@example.com", "wrong") is None
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_two_tabs_cannot_both_use_a_link(app: Flask) -> None:
    _dora, secret = invite("dora")
    db.session.commit()
    start = Barrier(4)

    def use(number: int) -> bool:
        with app.app_context():
            start.wait()
            try:
                invitations.accept(secret, f"the password {number}", utc_now(), None)
            except InvitationNotFound:
                return False
            return True

    with ThreadPoolExecutor(4) as tabs:
        assert sorted(tabs.map(use, range(4))) == [False, False, False, True]


def test_a_link_ends_after_a_week_by_a_new_one_and_by_a_password() -> None:
    dora, first = invite("dora")
    second = renew(dora)
    now = utc_now()
    for secret, at in ((first, now), (second, now + timedelta(days=7, seconds=1))):
        with pytest.raises(InvitationNotFound):
            invitations.find(secret, at)
    assert invitations.find(second, now + timedelta(days=6)).id == dora.id
    accounts.set_password(CARLA, dora, None)
    with pytest.raises(InvitationNotFound):
        invitations.find(second, now)


def test_a_short_password_uses_no_link_up() -> None:
    _dora, secret = invite("dora")
    for password in ("short", "x" * 1001):
        with pytest.raises(WrongInput):
            invitations.accept(secret, password, utc_now(), None)
    invitations.accept(secret, PASSWORD, utc_now(), None)


def test_the_link_of_a_deactivated_or_deleted_user_opens_nothing() -> None:
    dora, doras = invite("dora")
    emil, emils = invite("emil")
    accounts.deactivate(CARLA, dora)
    registry.create(COMMAND_LINE, emil, Channel.PRACTICE)
    accounts.remove(CARLA, emil)
    for secret in (doras, emils):
        with pytest.raises(InvitationNotFound):
            invitations.accept(secret, PASSWORD, utc_now(), None)
    with pytest.raises(UserInactive):
        renew(dora)


def test_a_link_leaves_the_old_password_until_it_is_used() -> None:
    ana = new("ana")
    before, secret = ana.session_key, renew(ana)
    assert accounts.sign_in("ana@example.com", PASSWORD) is not None
    invitations.accept(secret, "another password", utc_now(), None)
    assert accounts.sign_in("ana@example.com", PASSWORD) is None
    assert db.session.get_one(User, ana.id).session_key != before


# ---- passwords


def test_a_new_password_signs_every_browser_out() -> None:
    ana = new("ana")
    keys = [ana.session_key]
    random = accounts.set_password(CARLA, ana, None)
    keys.append(ana.session_key)
    accounts.change_password(Actor(ana.email), ana, random, "one I like better")
    keys.append(ana.session_key)
    assert len(set(keys)) == 3
    assert not any(random in str(row) for row in actions())
    assert accounts.sign_in("ana@example.com", "one I like better") is not None


def test_nobody_guesses_the_current_password() -> None:
    ana = new("ana")
    for _ in range(10):
        with pytest.raises(WrongPassword):
            accounts.change_password(Actor(ana.email), ana, "wrong", "another password")
    with pytest.raises(TooOften):
        accounts.change_password(Actor(ana.email), ana, PASSWORD, "another password")


# ---- the last administrator

LEAVING: list[Callable[[User], None]] = [
    lambda admin: accounts.deactivate(CARLA, admin),
    lambda admin: accounts.change(CARLA, admin, role="user"),
    lambda admin: accounts.remove(CARLA, admin),
]


@pytest.mark.parametrize("leave", LEAVING, ids=["deactivated", "made a user", "deleted"])
def test_the_last_administrator_stays(leave: Callable[[User], None]) -> None:
    """Those who cannot sign in as one do not count."""
    carla = new("carla", "admin")
    off, _ = new("off", "admin"), new("ana")
    accounts.deactivate(CARLA, off)
    invitations.create(CARLA, "dora@example.com", utc_now(), role="admin")
    with pytest.raises(LastAdmin):
        leave(carla)
    db.session.expire_all()
    assert (carla.role, carla.active, carla.deleted_at) == ("admin", True, None)
    accounts.activate(CARLA, off)
    leave(carla)


def test_two_administrators_cannot_remove_each_other(app: Flask) -> None:
    ids = [new(name, "admin").id for name in ("carla", "dora")]
    db.session.commit()
    for _ in range(5):
        start = Barrier(2)

        def deactivate(user_id: int, start: Barrier = start) -> bool:
            with app.app_context():
                user = accounts.by_id(user_id)
                start.wait()
                try:
                    accounts.deactivate(CARLA, user)
                except LastAdmin:
                    return False
                return True

        with ThreadPoolExecutor(2) as both:
            assert sorted(both.map(deactivate, ids)) == [False, True]
        for user in accounts.everyone():
            db.session.refresh(user)
            accounts.activate(CARLA, user)


def test_who_is_no_administrator_may_always_go() -> None:
    new("carla", "admin")
    for number, leave in enumerate(LEAVING):
        leave(new(f"ana{number}"))
    left = {user.email for user in accounts.everyone() if user.is_active and not user.is_admin}
    assert left == {"ana1@example.com"}  # who was made what they were


# ---- changes


def test_the_audit_says_what_changed_and_nothing_when_nothing_did() -> None:
    ana = new("ana")
    accounts.change(CARLA, ana, name="Ana", role="admin", max_connections=3)
    accounts.change(CARLA, ana, name="Ana", role="admin", max_connections=3, active=True)
    assert actions()[1:] == [
        (
            "user.change",
            ana.email,
            "name: none → Ana, role: user → admin, max connections: none → 3",
        )
    ]


def test_only_what_may_be_changed_can_be() -> None:
    ana = new("ana")
    for field in ("password_hash", "email", "id", "session_key", "deleted_at"):
        with pytest.raises(KeyError):
            accounts.change(CARLA, ana, **{field: "x"})
    for limit in (-1, 1001):
        with pytest.raises(WrongInput):
            accounts.change(CARLA, ana, max_connections=limit)


@pytest.mark.parametrize(("limit", "most"), [(None, 1), (0, 0), (1, 1), (3, 3)])
def test_a_user_links_as_many_numbers_as_they_are_allowed(limit: int | None, most: int) -> None:
    ana = new("ana")
    accounts.change(CARLA, ana, max_connections=limit)
    for _ in range(most):
        registry.create(COMMAND_LINE, ana, Channel.WHATSAPP)
    with pytest.raises(ConnectionLimit):
        registry.create(COMMAND_LINE, ana, Channel.WHATSAPP)
    registry.create(COMMAND_LINE, ana, Channel.PRACTICE)
    assert user_list.linked(ana) == most


GONE: dict[str, Callable[[], Any]] = {
    "deleted": lambda: update(User).values(deleted_at=utc_now()),
    "switched off": lambda: update(User).values(active=False),
    "no more there": lambda: delete(User),
}


@pytest.mark.parametrize("gone", GONE.values(), ids=GONE)
def test_who_is_gone_since_the_request_began_gets_no_connection(gone: Callable[[], Any]) -> None:
    ana = new("ana")
    assert ana.is_active  # as the request knows them
    with db.engine.begin() as somebody_else:
        somebody_else.execute(gone())
    with pytest.raises(UserNotFound):
        registry.create(COMMAND_LINE, ana, Channel.PRACTICE)
    with db.engine.begin() as somebody_else:  # nobody holds the write lock
        assert somebody_else.execute(delete(Connection)).rowcount == 0


def test_who_is_active_again_is_connected_again_but_not_out_of_a_hold() -> None:
    ana = new("ana")
    accounts.change(CARLA, ana, max_connections=4)
    seen = [
        {"has_credentials": True},
        {"has_credentials": True, "hold": Hold.CONFLICT},
        {"has_credentials": False},
        {"has_credentials": True},
    ]
    theirs = [registry.create(COMMAND_LINE, ana, Channel.WHATSAPP) for _ in seen]
    for number, (connection, observed) in enumerate(zip(theirs, seen, strict=True)):
        connection.enabled = number < 3
        connection.observed = replace(connection.observed, **observed)
    accounts.deactivate(CARLA, ana)
    accounts.activate(CARLA, ana)
    accounts.activate(CARLA, ana)  # already: nothing to do
    db.session.expire_all()
    assert [connection.wanted_version for connection in theirs] == [1, 0, 0, 0]


# ---- deleting


def test_a_deleted_user_s_email_is_free_at_once() -> None:
    """While the owner still has to wipe what they left behind."""
    ana = new("ana")
    registry.create(COMMAND_LINE, ana, Channel.WHATSAPP)
    gone = ana.id
    assert user_list.belongings(ana) == user_list.Belongings(1, 0, 0, 0)
    accounts.remove(CARLA, ana)
    assert accounts.find("ana@example.com") is None
    assert accounts.sign_in("ana@example.com", PASSWORD) is None
    again = new("ana")
    assert again.id != gone
    assert registry.of_user(again) == []
    assert [row.target for row in db.session.query(Audit) if row.action == "user.delete"] == [
        "ana@example.com"
    ]


def test_people_are_found_by_their_words_role_and_state() -> None:
    new("carla", "admin")
    new("ana_1")
    invite("dora")
    accounts.deactivate(CARLA, new("bruno"))

    def found(words: str = "", **filters: str) -> list[str]:
        listed, total = user_list.search(words, size=50, **filters)
        assert total == len(listed)
        return [row.user.email.partition("@")[0] for row in listed]

    assert found() == ["ana_1", "bruno", "carla", "dora"]
    assert found("EXAMPLE car") == ["carla"]
    assert found("_") == ["ana_1"]  # no wildcard
    assert found("%") == []
    assert found(role="admin") == ["carla"]
    assert found(state="invited") == ["dora"]
    assert found(state="deactivated") == ["bruno"]
    listed, total = user_list.search(size=2, page=2)
    assert (len(listed), total) == (2, 4)
