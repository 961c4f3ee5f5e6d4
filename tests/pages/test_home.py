"""Signing in, a number that cannot be reached, languages, and how it looks to everybody."""

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.pages.conftest import PICTURES, Open, link_practice_phone, sign_in


def test_a_wrong_password_says_so_and_nothing_else(visit: Open, shop: str) -> None:
    page = visit()
    sign_in(page, shop, "wrong password")
    expect(page.get_by_test_id("wrong-login")).to_contain_text("do not match")
    unknown = visit()
    sign_in(unknown, "nobody@example.org", "wrong password")
    words = page.get_by_test_id("wrong-login").inner_text()
    expect(unknown.get_by_test_id("wrong-login")).to_have_text(words)


def test_the_page_that_was_wanted_comes_after_the_sign_in(visit: Open, shop: str) -> None:
    page = visit()
    page.goto("/history")
    sign_in(page, shop)
    expect(page).to_have_url(re.compile("/history$"))


def test_the_answer_to_the_click_says_what_is_going_on(signed_in: Open) -> None:
    """At once, not when the attempt has come to something."""
    page = signed_in()
    with page.expect_response(lambda response: response.url.endswith("/pair")) as answer:
        page.get_by_test_id("connect").click()
    assert 'data-testid="pairing-title"' in answer.value.text()
    expect(page.get_by_test_id("pairing-title")).to_be_visible()


def test_an_unreachable_whatsapp_is_called_that(signed_in: Open) -> None:
    page = signed_in()
    page.get_by_test_id("connect").click()
    page.get_by_test_id("close").click()
    expect(page.get_by_test_id("connection-card")).to_contain_text("WhatsApp could not be reached")
    expect(page.get_by_test_id("attempt")).to_contain_text("of 5")


def test_a_browser_that_speaks_spanish_gets_spanish(visit: Open, shop: str) -> None:
    page = visit(locale="es-ES")
    expect(page.get_by_test_id("sign-in")).to_have_text("Entrar")
    sign_in(page, shop)
    expect(page.get_by_role("link", name="Inicio")).to_be_visible()


def test_the_language_can_be_switched_and_follows_the_user(visit: Open, shop: str) -> None:
    page = visit()
    sign_in(page, shop)
    page.get_by_role("button", name="Español").click()
    expect(page.get_by_role("link", name="Inicio")).to_be_visible()
    elsewhere = visit()
    sign_in(elsewhere, shop)
    expect(elsewhere.get_by_role("link", name="Inicio")).to_be_visible()


def test_escape_closes_the_dialog(signed_in: Open) -> None:
    page = signed_in()
    page.get_by_test_id("connect-practice").click()
    expect(page.get_by_test_id("qr")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


SIZES = {"wide": {"width": 1280, "height": 860}, "phone": {"width": 390, "height": 844}}


def test_every_page_can_be_used_by_everybody(visit: Open, shop: str) -> None:
    """WCAG 2.2 AA as far as a machine can tell; pictures of each page are kept for our eyes."""
    page = visit(reduced_motion="reduce")
    look_at(page, "sign-in")
    sign_in(page, shop)
    expect(page.get_by_test_id("connection-card")).to_be_visible()
    look_at(page, "home-empty")
    page.get_by_test_id("connect-practice").click()
    expect(page.get_by_test_id("qr")).to_be_visible()
    look_at(page, "qr")
    page.get_by_test_id("close").click()
    page.get_by_test_id("show-code").click()
    page.get_by_test_id("practice-scan").click()
    page.get_by_test_id("done").filter(has_text="Done").click()
    look_at(page, "home-connected")
    for path in ("practice", "history", "help/codes"):
        page.goto(f"/{path}")
        look_at(page, path.replace("/", "-"))
    page.goto("/practice")
    page.get_by_test_id("fault-conflict").click()
    page.goto("/")
    expect(page.get_by_test_id("connection-card")).to_have_attribute("data-hold", "CONFLICT")
    look_at(page, "home-conflict")


def look_at(page: Page, name: str) -> None:
    """At both sizes, in both colour schemes."""
    page.wait_for_load_state("load")
    PICTURES.mkdir(exist_ok=True)
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
        assert not wide, f"{name} is wider than the window"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}.png", full_page=True)
            if (size, scheme) in CHECKED:
                check(page, name)


CHECKED = {("wide", "light"), ("phone", "dark")}
"""Each size and each scheme once; the other two differ from them in nothing a machine can tell."""


def check(page: Page, name: str) -> None:
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
    assert not found.response["violations"], f"{name}: {found.generate_report()}"


def test_link_practice_phone_is_all_a_newcomer_needs(signed_in: Open) -> None:
    page = signed_in(viewport=SIZES["phone"])
    link_practice_phone(page)
    expect(page.get_by_test_id("state")).to_have_text("Connected")
