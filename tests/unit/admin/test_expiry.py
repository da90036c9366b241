"""The expiry of a token is read from its claims, without verification. A warning is logged once a day."""

import json
import time
from typing import Any

import jwt
import pytest

from sora_proxy.database import Database
from sora_proxy.key_keeping.expiry import DAY_SECONDS, ExpiryWarnings, expiry_of
from sora_proxy.key_keeping.registry import KeyRegistry
from sora_proxy.log import Redactor
from sora_proxy.operators.audit import Actor
from sora_proxy.scheduling.key_pools import KeyPools
from sora_proxy.scheduling.order_queue import QueueBounds
from sora_proxy.settings.kinds import UpstreamKey

SECRET = "a secret that nobody here knows, of 32 bytes"
OPERATOR = Actor("admin key", "192.0.2.1")


def token(**claims: Any) -> str:
    return jwt.encode(claims, SECRET, "HS256")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (token(exp=1800000000), 1800000000),
        (token(exp=1800000000, aud="them", iss="https://example.com", nbf=9999999999), 1800000000),
        (token(sub="nobody"), None),
        (token(exp=10**30), None),
        (token(exp=-1), None),
        ("sess-0123456789abcdef", None),
        ("a.b.c", None),
        ("", None),
        ("x" * 10_000, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_expiry_of_a_jwt_is_read_from_its_claims(text: str, end: float | None) -> None:
    assert expiry_of(text) == end


@pytest.mark.parametrize("claim", ["soon", None, [], {}])
def test_an_expiry_that_is_not_a_number_is_ignored(claim: Any) -> None:
    part = jwt.utils.base64url_encode(json.dumps({"exp": claim}).encode()).decode()
    head, _, rest = token(exp=1800000000).partition(".")
    made = f"{head}.{part}.{rest[-43:]}"
    assert expiry_of(made) is None


async def test_warnings_about_a_token_are_logged_daily_starting_one_day_before_it_expires(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    pools = KeyPools(QueueBounds(), {}, "sora")
    pools.add("sora", one_intent=True)
    registry = KeyRegistry(database, pools, Redactor())
    now = time.time()
    end = int(now + 3 * DAY_SECONDS)
    keys = [
        UpstreamKey(key=token(exp=end), name="ending"),
        UpstreamKey(key=token(exp=end, x=1), name="off", enabled=False),
        UpstreamKey(key="no-jwt-at-all", name="silent"),
    ]
    await registry.add(keys, OPERATOR)
    warnings = ExpiryWarnings(registry)
    told = []
    for hours in range(24 * 5):
        caplog.clear()
        warnings.warn(now + hours * 3600)
        told += [(hours, record.message) for record in caplog.records if "expire" in record.message]
    assert [hours for hours, _ in told] == [48, 72, 96]
    assert ["expires soon" in text for _, text in told] == [True, False, False]
    assert ["key expired" in text for _, text in told] == [False, True, True]
    assert all("ending" in text and keys[0].token not in text for _, text in told)
