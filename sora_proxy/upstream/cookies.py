"""Cookies: keeps only the cookies by which Cloudflare recognizes a visitor. Other cookies are dropped, because they
could make this server's requests large."""

from http.cookiejar import Cookie
from typing import Any

from requests.cookies import RequestsCookieJar

KEPT = frozenset({"cf_clearance", "__cf_bm", "_cfuvid", "__cflb"})
MAX_LENGTH = 4096  # characters of one value
MAX_COOKIES = 20  # in total, for all hosts and paths


class CloudflareCookies(RequestsCookieJar):
    """A small jar that accepts only Cloudflare's cookies."""

    def set_cookie(self, cookie: Cookie, *args: Any, **kwargs: Any) -> None:
        """Keep a cookie if it is one of Cloudflare's. A full jar is emptied first."""
        if cookie.name not in KEPT or len(cookie.value or "") > MAX_LENGTH:
            return
        if len(self) >= MAX_COOKIES:
            self.clear()
        super().set_cookie(cookie, *args, **kwargs)
