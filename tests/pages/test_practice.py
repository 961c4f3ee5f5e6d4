"""A newcomer's first quarter of an hour: link the practice phone, write to it, break it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.conftest import Open, link_practice_phone
from tests.product.server import wait_until


def card(page: Page) -> Locator:
    return page.get_by_test_id("connection-card")


def switch_on_bot(page: Page, answer: str) -> None:
    page.get_by_test_id("bot-text").fill(answer)
    page.get_by_test_id("bot-enabled").check()


def write(page: Page, text: str) -> None:
    page.get_by_test_id("customer-text").fill(text)
    page.get_by_test_id("customer-send").click()


def fault(page: Page, kind: str) -> None:
    button = page.get_by_test_id(f"fault-{kind}")
    if not button.is_visible():
        page.get_by_test_id("faults").locator("summary").click()
    button.click()


def reload_until(page: Page, seen: Callable[[], bool], path: str) -> None:
    def look() -> bool:
        page.goto(path)
        return seen()

    wait_until(look, f"{path} shows it")


def test_a_newcomer_links_the_phone_writes_and_gets_an_answer(signed_in: Open) -> None:
    page = signed_in()
    link_practice_phone(page)
    expect(card(page)).to_have_attribute("data-status", "CONNECTED")
    switch_on_bot(page, "We open at nine.")
    write(page, "When do you open?")
    expect(page.get_by_test_id("bubble")).to_have_count(2)
    expect(page.get_by_test_id("chat")).to_contain_text("We open at nine.")


def test_the_dialog_shows_code_one_of_six_and_lives_until_ready(signed_in: Open) -> None:
    page = signed_in()
    page.get_by_test_id("connect-practice").click()
    expect(page.get_by_test_id("qr")).to_be_visible()
    expect(page.get_by_test_id("code-number")).to_have_text("Code 1 of 6")
    page.get_by_test_id("practice-scan").click()
    expect(page.get_by_test_id("pairing")).to_have_attribute("data-stage", "ready")


def test_a_pairing_code_is_shown_for_a_number(signed_in: Open) -> None:
    page = signed_in()
    page.get_by_test_id("connect-practice").click()
    page.get_by_test_id("by-number").locator("summary").click()
    page.get_by_test_id("pair-phone").fill("600")
    page.get_by_test_id("get-code").click()
    expect(page.locator("dialog")).to_contain_text("not a phone number")
    page.get_by_test_id("pair-phone").fill("+34 600 111 222")
    page.get_by_test_id("get-code").click()
    expect(page.get_by_test_id("pairing-code")).to_be_visible()


@pytest.mark.parametrize(
    ("kind", "hold", "words"),
    [
        ("conflict", "CONFLICT", "Another device took over this number"),
        ("logout", "LOGGED_OUT", "Unlinked on the phone"),
        ("ban", "BANNED", "WhatsApp"),
    ],
)
def test_a_fault_is_shown_as_what_it_is_without_a_reload(
    signed_in: Open, kind: str, hold: str, words: str
) -> None:
    page = signed_in()
    link_practice_phone(page)
    fault(page, kind)
    expect(card(page)).to_have_attribute("data-hold", hold)
    expect(card(page)).to_have_attribute("data-status", "DISCONNECTED")
    expect(card(page)).to_contain_text(words)


def test_a_lost_network_counts_down_and_heals(signed_in: Open) -> None:
    page = signed_in()
    link_practice_phone(page)
    fault(page, "network_loss")
    expect(page.get_by_test_id("attempt")).to_contain_text("of 5")
    fault(page, "network_loss")
    expect(card(page)).to_have_attribute("data-status", "CONNECTED")


def test_after_a_conflict_reconnect_brings_it_back(signed_in: Open) -> None:
    page = signed_in()
    link_practice_phone(page)
    fault(page, "conflict")
    page.get_by_test_id("reconnect").click()
    expect(card(page)).to_have_attribute("data-status", "CONNECTED")


def test_a_clean_up_says_its_seven_steps(signed_in: Open) -> None:
    page = signed_in()
    link_practice_phone(page)
    page.get_by_test_id("more").locator("summary").click()
    page.get_by_test_id("force-cleanup").click()
    expect(page.get_by_test_id("cleanup")).to_contain_text("7 steps, 0 failed")
    expect(card(page)).to_have_attribute("data-status", "DISCONNECTED")


def test_two_tabs_show_the_same(signed_in: Open) -> None:
    first = signed_in()
    link_practice_phone(first)
    second = first.context.new_page()
    second.goto(first.url)
    first.get_by_test_id("disconnect").click()
    expect(card(second)).to_have_attribute("data-status", "DISCONNECTED")


def test_what_is_being_typed_survives_the_live_card(signed_in: Open) -> None:
    page = signed_in()
    link_practice_phone(page)
    page.get_by_test_id("customer-text").fill("half a sent")
    fault(page, "network_loss")  # it lasts, so the card shows it however late somebody looks
    expect(page.get_by_test_id("attempt")).to_be_visible()
    expect(page.get_by_test_id("customer-text")).to_have_value("half a sent")


def test_everything_works_without_a_script(signed_in: Open) -> None:
    page = signed_in(java_script_enabled=False)
    page.get_by_test_id("connect-practice").click()
    page.get_by_test_id("practice-scan").click()
    reload_until(page, lambda: card(page).get_attribute("data-status") == "CONNECTED", "/")
    page.get_by_test_id("bot-text").fill("Hello.")
    page.get_by_test_id("bot-enabled").check()
    page.get_by_test_id("bot-save").click()
    page.get_by_test_id("customer-text").fill("Anybody there?")
    page.get_by_test_id("customer-send").click()
    reload_until(page, lambda: page.get_by_test_id("bubble").count() == 2, "/")
    expect(page.get_by_test_id("chat")).to_contain_text("Hello.")
