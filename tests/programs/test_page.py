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
        assert person.page.locator("#prompt").input_value() == "something forbidden"
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


def test_eight_running_orders_leave_connections_for_cancelling_and_ordering(browser: Any, tmp_path: Path) -> None:
    settings = QUICK | {"SIMULATOR_SECONDS": "100"}
    with running_program(tmp_path, **settings) as program, person_at(browser, program.url) as person:
        person.enter(program.key)
        for number in range(8):
            person.order(f"fox {number}")
            person.page.locator(".turn[data-id]").nth(number).wait_for()
        first = person.page.locator(".turn").first
        first.get_by_role("button").click()
        first.get_by_text("Cancelled").wait_for()
        for number in range(1, 8):  # the streams take turns, so every order shows its progress
            person.page.locator(".turn").nth(number).get_by_text(PERCENT).wait_for()


@pytest.mark.parametrize("status", [502, 504])
def test_an_order_whose_answer_a_proxy_replaced_is_placed_once(browser: Any, program: Program, status: int) -> None:
    replaced: list[int] = []

    def replace_first(route: Any) -> None:
        if replaced:
            route.continue_()
        else:
            replaced.append(route.fetch().status)  # the server gets the order
            route.fulfill(status=status, content_type="text/html", body="<h1>Bad gateway</h1>")

    with person_at(browser, program.url) as person:
        person.enter(program.key)
        person.page.route("**/v1/responses", replace_first)
        person.order("a red fox")
        person.sees_images(1)
        assert replaced == [200]
        assert len(program.ask(program.key, "GET", "/v1/generations")[1]["data"]) == 1


def test_after_a_reload_the_last_image_is_changed_however_late_the_answers_arrive(
    browser: Any, program: Program
) -> None:
    with person_at(browser, program.url) as person:
        person.enter(program.key)
        person.order("the first")
        person.sees_images(1)
        person.page.locator("#prompt").fill("the second")
        person.page.get_by_role("button", name="New image").click()
        person.sees_images(2)
        first, second = person.page.url.partition("#")[2].split(",")
        held: list[Any] = []

        def hold(route: Any) -> None:
            held.append(route)

        person.page.route(f"**/{first.replace('chatcmpl-', 'resp_')}/input_items", hold)
        person.page.reload()
        person.enter(program.key)
        person.sees_images(1)
        held[0].continue_()
        person.sees_images(2)
        with person.page.expect_request("**/v1/responses") as sent:
            person.order("make it blue")
        assert sent.value.post_data_json["previous_response_id"] == second.replace("chatcmpl-", "resp_")


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "lost"])
def test_an_order_whose_cancelling_fails_stays_on_the_page(browser: Any, tmp_path: Path, lost: bool) -> None:
    error = '{"error": {"message": "Storage is full.", "code": "storage_unavailable"}}'
    with running_program(tmp_path, **LONG) as program, person_at(browser, program.url) as person:
        person.page.route("**/cancel", lambda route: route.abort() if lost else route.fulfill(status=503, body=error))
        person.enter(program.key)
        person.order("a red fox")
        person.page.get_by_text(PERCENT).wait_for()
        person.page.get_by_role("button", name="Cancel").click()
        person.waits_for("The server can't be reached." if lost else "Storage is full.")
        assert person.page.locator("progress").is_visible()
        person.sees_images(1)


def test_an_overdue_order_is_not_shown_as_a_lost_connection(browser: Any, tmp_path: Path) -> None:
    settings = QUICK | {"SIMULATOR_SECONDS": "8", "GENERATION_TIMEOUT": "2"}
    with running_program(tmp_path, **settings) as program, person_at(browser, program.url) as person:
        person.enter(program.key)
        person.order("a red fox")
        person.waits_for("This is taking longer than usual. The order continues.")
        person.page.evaluate(
            "() => new MutationObserver(() => {"
            " document.body.dataset.lost ||= /lost/.test(document.body.innerText) ? 'yes' : '';"
            "}).observe(document.body, {subtree: true, childList: true, characterData: true})"
        )
        person.sees_images(1)
        assert person.page.locator("body").get_attribute("data-lost") == ""


def test_an_image_at_the_back_end_is_a_link_and_cannot_be_changed(browser: Any, program: Program) -> None:
    events = [
        'id: 1\nevent: picture\ndata: {"index": 0, "url": "https://cdn.example.com/images/abc.png"}\n\n',
        'id: 2\nevent: picture\ndata: {"index": 1, "url": "javascript:alert(1)"}\n\n',
        "id: 3\nevent: odd\ndata: {not json\n\n",
        "id: 4\nevent: completed\ndata: {}\n\n",
    ]
    with person_at(browser, program.url) as person:
        person.page.route("**/events?*", lambda route: route.fulfill(body="".join(events)))
        person.enter(program.key)
        person.order("a red fox")
        person.waits_for("Finished")
        links = person.page.locator(".images a").evaluate_all("links => links.map(link => link.href)")
        assert links == ["https://cdn.example.com/images/abc.png"]
        assert person.page.locator(".images img").count() == 0
        assert person.page.locator("#change").is_hidden()


@pytest.mark.parametrize("pasted", ["Bearer {}", "Authorization: Bearer {}", '"{}"', " {}\n"])
def test_a_key_is_found_in_what_was_pasted(browser: Any, program: Program, pasted: str) -> None:
    with person_at(browser, program.url) as person:
        person.enter(pasted.format(program.key))
        person.page.locator("#prompt").wait_for()


def test_made_up_orders_in_the_address_are_explained_and_limited(browser: Any, program: Program) -> None:
    ids = ",".join(f"chatcmpl-{number:032x}" for number in range(100)) + ",<img src=x>,chatcmpl-zz"
    with person_at(browser, f"{program.url}/#{ids},{ids}") as person:
        person.enter(program.key)
        person.waits_for("This image was ordered with another key, or it was deleted.", times=30)
        assert person.page.locator(".turn").count() == 30
