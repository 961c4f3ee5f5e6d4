"""What administrators see and press, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Open, link_practice_phone, sign_in
from tests.pages.test_home import SIZES, look_at
from tests.product.conftest import CARLA
from tests.product.server import Server
from tests.product.visitor import PASSWORD

Manage = Callable[..., Page]

PAGES = {
    "overview": "/admin",
    "maintenance": "/admin/maintenance",
    "users": "/admin/users",
    "backups": "/admin/backups",
    "audit": "/admin/audit",
    "diagnostics": "/admin/diagnostics",
    "account": "/account",
}


@pytest.fixture
def manage(visit: Open) -> Manage:
    """Carla's browser, on one of her pages."""

    def manage(address: str = "/admin", **options: object) -> Page:
        page = visit(**options)
        sign_in(page, CARLA)
        expect(page.locator("#main")).to_be_visible()
        page.goto(address)
        return page

    return manage


def test_every_page_can_be_used_by_everybody(manage: Manage, signed_in: Open) -> None:
    link_practice_phone(signed_in())
    page = manage()
    for name, address in PAGES.items():
        page.goto(address)
        look_at(page, f"admin-{name}")


def test_spanish_has_room_on_a_phone(manage: Manage) -> None:
    page = manage(locale="es-ES", viewport=SIZES["phone"])
    for address in PAGES.values():
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address


def test_orphans_are_shown_first_and_then_removed(manage: Manage, server: Server) -> None:
    orphan = server.data_dir / "sessions" / "left-over"
    orphan.mkdir(parents=True)
    page = manage("/admin/maintenance")
    page.get_by_role("button", name="Show what would go: Clean orphans").click()
    expect(page.get_by_role("status").filter(has_text="1 thing would be done.")).to_be_visible()
    expect(page.get_by_text("left-over")).to_be_visible()
    assert orphan.exists()
    page.get_by_role("button", name="Clean orphans").click()
    expect(page.get_by_role("status").filter(has_text="1 done.")).to_be_visible()
    assert not orphan.exists()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_full_reset_wants_the_word_and_tells_how_it_goes(
    manage: Manage, signed_in: Open, scripts: bool
) -> None:
    shop = signed_in()
    link_practice_phone(shop)
    page = manage("/admin/maintenance", java_script_enabled=scripts)
    page.get_by_role("button", name="Reset everything").click()
    expect(page.get_by_text("Type the word RESET to confirm.")).to_be_visible()
    page.get_by_label("Type RESET").fill("RESET")
    page.get_by_role("button", name="Reset everything").click()
    expect(page.get_by_role("heading", name=re.compile(r"\d done\."))).to_be_visible()
    shop.goto("/?channel=practice")
    expect(shop.get_by_test_id("connection-card")).to_contain_text("No number is linked yet")


def test_a_row_is_found_and_cleaned_after_saying_what_is_lost(
    manage: Manage, signed_in: Open, shop: str
) -> None:
    link_practice_phone(signed_in())
    page = manage()
    page.get_by_label("Name, e-mail or number").fill(shop)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("1 in all")).to_be_visible()
    row = page.get_by_role("row").filter(has_text=shop)
    expect(row).to_contain_text("Connected")
    row.get_by_role("checkbox").check()
    chosen = page.get_by_role("group", name="With the chosen ones")
    chosen.get_by_role("button", name="Clean up").click()
    expect(page.get_by_text("linked again with a new code")).to_be_visible()
    page.get_by_role("button", name="Clean up 1 connection").click()
    expect(page.get_by_text("Asked for 1 connection.")).to_be_visible()
    expect(row).to_contain_text("Not connected")  # by itself, nobody reloads


def test_a_choice_survives_while_the_table_is_refreshed(manage: Manage, signed_in: Open) -> None:
    link_practice_phone(signed_in())
    page = manage()
    with page.expect_response(lambda answer: "/live/admin/connections" in answer.url):
        page.get_by_role("checkbox").first.check()
    expect(page.get_by_role("checkbox").first).to_be_checked()


def test_somebody_invited_chooses_a_password_and_is_in(manage: Manage, visit: Open) -> None:
    page = manage("/admin/users")
    page.get_by_label("E-mail", exact=True).fill("gema@example.org")
    page.get_by_role("button", name="Add").click()
    address = page.get_by_test_id("link").inner_text()
    theirs = visit()
    theirs.goto(address)
    theirs.locator("input[type=password]").first.fill(PASSWORD)
    theirs.get_by_role("button", name="Save and sign in").click()
    expect(theirs.get_by_test_id("connection-card")).to_be_visible()
    again = visit()
    again.goto(address)
    expect(again.locator("input[type=password]")).to_have_count(0)


def test_a_job_runs_now(manage: Manage) -> None:
    page = manage("/admin/maintenance")
    page.get_by_role("button", name="Run now: clean-stale").click()
    expect(page.get_by_text(re.compile("It ran and took"))).to_be_visible()
