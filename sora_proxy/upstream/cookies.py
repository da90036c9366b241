"""Cookies: those by which Cloudflare knows a visitor again. By others, a back end could make our requests large."""

from http.cookiejar import Cookie
from typing import Any

from requests.cookies import RequestsCookieJar

KEPT = frozenset({"cf_clearance", "__cf_bm", "_cfuvid", "__cflb"})
MAX_LENGTH = 4096  # characters of one value
MAX_COOKIES = 20  # of all hosts and paths


class CloudflareCookies(RequestsCookieJar):
    """A jar that takes no other cookies, and few of them."""

    def set_cookie(self, cookie: Cookie, *args: Any, **kwargs: Any) -> None:
        """Keep a cookie, if it is one of Cloudflare's. A jar that is full is emptied for it."""
        if cookie.name not in KEPT or len(cookie.value or "") > MAX_LENGTH:
            return
        if len(self) >= MAX_COOKIES:
            self.clear()
        super().set_cookie(cookie, *args, **kwargs)
