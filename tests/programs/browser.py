"""The page at `/` in Debian's Chromium, used as a person would use it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.conftest import CHECKOUT
from tests.eventually import PATIENCE

PLAYWRIGHT, CHROMIUM = CHECKOUT / ".programs" / "playwright", "/usr/bin/chromium"
sys.path.append(str(PLAYWRIGHT))
try:
    from playwright.sync_api import Error, sync_playwright
except ImportError:
    sync_playwright = None
# root needs --no-sandbox; the other switches keep Chromium from calling servers of Google.
SWITCHES = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@contextmanager
def running_browser() -> Iterator[Any]:
    """Chromium without a window."""
    if sync_playwright is None:
        pytest.fail("playwright is not installed; make test-programs installs it", pytrace=False)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        except Error:
            pytest.fail("Chromium does not start; on Debian, install the package chromium", pytrace=False)
        yield browser
        browser.close()


@dataclass
class Person:
    """A user of the page. `complaints` contains the errors in the console of the browser."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, line: Any) -> None:
        if line.type == "error":
            self.complaints.append(line.text)

    def enter(self, key: str) -> None:
        """Type the key, and press Enter."""
        self.page.locator("#key").fill(key)
        self.page.keyboard.press("Enter")

    def order(self, prompt: str) -> None:
        """Type a prompt, and press Enter."""
        self.page.locator("#prompt").fill(prompt)
        self.page.locator("#prompt").press("Enter")

    def waits_for(self, text: str, *, times: int = 1) -> None:
        """Wait until this text is on the page this many times."""
        self.page.get_by_text(text, exact=True).nth(times - 1).wait_for()

    @property
    def images(self) -> list[str]:
        """The addresses of the images that are shown completely."""
        script = "images => images.filter(image => image.complete && image.naturalWidth).map(image => image.src)"
        found: list[str] = self.page.locator(".images img").evaluate_all(script)
        return found

    def sees_images(self, number: int) -> list[str]:
        """Wait until this many images are shown, and return their addresses."""
        self.page.wait_for_function(
            "number => [...document.querySelectorAll('.images img')]"
            ".filter(image => image.complete && image.naturalWidth).length === number",
            arg=number,
        )
        return self.images

    def knows(self, secret: str) -> bool:
        """Whether a secret is in the address, in the document, or in anything that the browser stores."""
        kept = self.page.evaluate(
            "() => [location.href, document.documentElement.outerHTML, JSON.stringify(localStorage),"
            " JSON.stringify(sessionStorage), document.cookie, JSON.stringify(history.state)].join()"
        )
        return secret in kept or secret in str(self.page.context.storage_state())
