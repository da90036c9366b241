"""The page at `/`, used in Debian's Chromium: keys, new and changed images, reloads, and restarts of the server."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import Program, running_program, running_simulator
from tests.programs.browser import DESKTOP, PHONE, Person, running_browser

QUICK = {"SIMULATOR_SECONDS": "1", "POLL_INTERVAL": "0.1"}
LONG = {"SIMULATOR_SECONDS": "4", "POLL_INTERVAL": "0.1"}
PERCENT = re.compile(r"^\d+ %")


@pytest.fixture(autouse=True)
def _no_blocking_call_on_the_event_loop() -> None:
    """Allow blocking calls, because Playwright runs its own event loop on the thread of the tests."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as browser:
        yield browser


@contextmanager
def person_at(browser: Any, url: str, **options: Any) -> Iterator[Person]:
    """Open the page in a new browser profile."""
    context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-US"} | options)
    person = Person(context.new_page())
    person.page.goto(url)
    yield person
    context.close()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with running_program(tmp_path, **QUICK) as program:
        yield program


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_prompt_becomes_an_image_and_a_second_prompt_changes_the_image(
    browser: Any, program: Program, size: dict[str, int], tmp_path: Path
) -> None:
    with person_at(browser, program.url, viewport=size) as person:
        person.enter(program.key)
        person.order("a red fox in the snow")
        person.page.get_by_text(PERCENT).wait_for()
        (first,) = person.sees_images(1)
        person.page.screenshot(path=tmp_path / "first.png")
        person.order("make it blue")  # Enter presses the first button, which changes the image
        images = person.sees_images(2)
        person.waits_for("Finished", times=2)
        person.page.screenshot(path=tmp_path / "changed.png", full_page=True)
        assert images[0] == first != images[1]
        assert all(image.startswith(f"{program.url}/images/") for image in images)
        assert not person.knows(program.key)
        assert person.complaints == []
        width = person.page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"]


def test_an_image_can_be_made_and_changed_with_the_keyboard_alone(browser: Any, program: Program) -> None:
    with person_at(browser, program.url) as person:
        keyboard = person.page.keyboard
        for text in (program.key, "a red fox"):  # each field gets the focus when it appears
            person.page.locator(":focus:is(input, textarea)").wait_for()
            keyboard.type(text)
            keyboard.press("Enter")
            person.page.locator("#studio").wait_for()
        person.sees_images(1)
        keyboard.type("make it blue")
        keyboard.press("Tab")
        keyboard.press("Tab")
        assert person.page.locator(":focus").text_content() == "Change the image"
        keyboard.press("Space")
        person.sees_images(2)


def test_the_button_for_a_new_image_does_not_send_the_previous_image(browser: Any, program: Program) -> None:
    with person_at(browser, program.url) as person:
        person.enter(program.key)
        person.order("a red fox")
        person.sees_images(1)
        person.page.locator("#prompt").fill("a blue whale")
        with person.page.expect_request("**/v1/responses") as sent:
            person.page.get_by_role("button", name="New image").click()
        assert "previous_response_id" not in sent.value.post_data_json
        person.sees_images(2)


def test_the_valid_key_is_accepted_after_wrong_keys_were_refused(browser: Any, program: Program) -> None:
    with person_at(browser, program.url) as person:
        for wrong in ("sk-wrong", "schlüssel", "密钥"):
            person.enter(wrong)
            person.waits_for("The server does not accept this key.")
        person.enter(f" {program.key}\n")
        person.page.locator("#prompt").wait_for()
        assert not person.page.get_by_text("does not accept").is_visible()


def test_the_refusal_of_a_prompt_is_explained_and_the_next_prompt_works(browser: Any, program: Program) -> None:
    program.order_fault("moderation", times=1)
    with person_at(browser, program.url) as person:
        person.enter(program.key)
        person.order("something forbidden")
        person.page.locator(".turn .fault:not(:empty)").wait_for()
        assert "content policy" in person.page.locator(".turn .fault").text_content()
        person.order("a red fox")
        person.sees_images(1)


def test_a_prompt_that_is_a_side_call_is_answered_without_an_order(browser: Any, program: Program) -> None:
    with person_at(browser, program.url) as person:
        person.enter(program.key)
        person.order("Provide a concise, 5-word-or-less title for the conversation")
        person.page.locator(".turn .status:not(:empty)").wait_for()
        person.page.locator(".turn progress").wait_for(state="hidden")
        assert "#chatcmpl" not in person.page.url


def test_a_cancelled_order_is_shown_as_cancelled(browser: Any, tmp_path: Path) -> None:
    settings = QUICK | {"SIMULATOR_SECONDS": "600"}
    with running_program(tmp_path, **settings) as program, person_at(browser, program.url) as person:
        person.enter(program.key)
        person.order("a red fox")
        person.page.get_by_role("button", name="Cancel").click()
        person.waits_for("Cancelled")


def test_after_a_reload_the_order_is_shown_again_once_the_key_is_entered(browser: Any, tmp_path: Path) -> None:
    with running_program(tmp_path, **LONG) as program, person_at(browser, program.url) as person:
        person.enter(program.key)
        person.order("a red fox in the snow")
        person.page.get_by_text(PERCENT).wait_for()
        person.page.reload()
        assert person.page.locator("#studio").is_hidden()
        person.enter(program.key)
        person.waits_for("a red fox in the snow")
        person.sees_images(1)
        person.order("make it blue")
        person.sees_images(2)
        person.page.reload()
        person.enter(program.key)
        person.sees_images(2)
        assert not person.knows(program.key)


def test_the_order_of_another_key_is_not_shown(browser: Any, tmp_path: Path) -> None:
    settings = QUICK | {"API_AUTH_TOKEN": CLIENT_KEY}
    with running_program(tmp_path, **settings) as program, person_at(browser, program.url) as person:
        person.enter(CLIENT_KEY)
        person.order("a red fox")
        person.sees_images(1)
        person.page.reload()
        person.enter(program.admin_key)
        person.waits_for("This image was ordered with another key, or it was deleted.")


def test_the_page_reconnects_after_the_server_restarts_while_an_order_is_running(browser: Any, tmp_path: Path) -> None:
    with running_simulator("--seconds", "5") as upstream:
        settings = {"SORA_BASE_URL": upstream, "API_KEYS": '[{"key": "token"}]', "POLL_INTERVAL": "0.1"}
        with running_program(tmp_path, **settings) as program:
            port, key = program.url.rpartition(":")[2], program.key
            context = person_at(browser, program.url)
            person = context.__enter__()
            person.enter(key)
            person.order("a red fox")
            person.page.get_by_text(PERCENT).wait_for()
            program.process.kill()
            program.process.wait()
        person.waits_for("Connection lost, trying again …")
        with running_program(tmp_path, **settings, API_PORT=port):
            person.sees_images(1)
            person.waits_for("Finished")
            person.order("make it blue")
            person.sees_images(2)
            context.__exit__(None, None, None)


def test_a_prompt_entered_while_the_server_is_down_becomes_one_image_afterwards(browser: Any, tmp_path: Path) -> None:
    with running_simulator("--seconds", "0.5") as upstream:
        settings = {"SORA_BASE_URL": upstream, "API_KEYS": '[{"key": "token"}]', "POLL_INTERVAL": "0.1"}
        with running_program(tmp_path, **settings) as program:
            port = program.url.rpartition(":")[2]
            context = person_at(browser, program.url)
            person = context.__enter__()
            person.enter(program.key)
            person.page.locator("#prompt").wait_for()
        person.order("a red fox")
        person.waits_for("Connection lost, trying again …")
        with running_program(tmp_path, **settings, API_PORT=port):
            person.sees_images(1)
            context.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("locale", "words"),
    [("zh-CN", "客户端密钥"), ("zh-TW", "客户端密钥"), ("en-GB", "Client key"), ("de-DE", "Client key")],
)
def test_the_page_is_in_chinese_for_chinese_browsers_and_in_english_for_others(
    browser: Any, program: Program, locale: str, words: str
) -> None:
    with person_at(browser, program.url, locale=locale) as person:
        person.waits_for(words)
        assert person.page.locator("html").get_attribute("lang") == ("zh-CN" if locale[:2] == "zh" else "en")


def test_the_chinese_page_shows_no_english_words_in_the_course_of_an_order(browser: Any, program: Program) -> None:
    with person_at(browser, program.url, locale="zh-CN") as person:
        person.enter(program.key)
        person.order("雪地里的红狐狸")
        person.page.get_by_text(re.compile(r"^\d+%")).wait_for()
        person.waits_for("已完成")
        assert person.page.get_by_role("button", name="修改这张图").is_visible()
        assert not re.search("[A-Za-z]{4}", person.page.locator("#turns").inner_text())
