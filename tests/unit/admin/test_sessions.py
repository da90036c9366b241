"""Sessions: a token is valid for an hour, and only if this process signed it."""

import base64
import json
import time
from typing import Any

import jwt
import pytest

from sora_proxy.operators.sessions import AUDIENCE, ISSUER, SESSION_SECONDS, Sessions
from tests.conftest import ADMIN_KEY, CLIENT_KEY

NOW = int(time.time())  # the time at which the tests are collected, which may be long before a test runs
DAY = 86_400
GOOD = {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "exp": NOW + DAY, "jti": "0123456789abcdef"}


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def unsigned(algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(GOOD)}."


def without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != claim}


def test_a_token_identifies_its_session() -> None:
    sessions = Sessions()
    first, second = sessions.begin(), sessions.begin()
    assert sessions.session_of(first)
    assert sessions.session_of(first) == sessions.session_of(first) != sessions.session_of(second)


def test_a_token_is_valid_for_at_most_an_hour_and_signed_with_256_bits() -> None:
    sessions = Sessions()
    claims = jwt.decode(sessions.begin(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == SESSION_SECONDS <= 3600
    assert len(sessions._secret) * 8 == 256


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "NonE", "", "HS256"])
def test_a_token_without_a_signature_is_refused(algorithm: str) -> None:
    assert Sessions().session_of(unsigned(algorithm)) is None


@pytest.mark.parametrize("secret", ["", "sk-123456", "secret", ADMIN_KEY, CLIENT_KEY, "0" * 64])
@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_token_signed_with_a_guessable_secret_is_refused(secret: str, algorithm: str) -> None:
    # The library refuses an empty secret, so a zero byte is used instead.
    token = jwt.encode(GOOD, secret or "\0", algorithm)
    assert Sessions().session_of(token) is None


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(GOOD | {"exp": NOW - 1}, id="expired"),
        pytest.param(GOOD | {"iat": NOW + DAY, "exp": NOW + 2 * DAY}, id="not begun"),
        pytest.param(GOOD | {"nbf": NOW + DAY}, id="not yet"),
        *(pytest.param(without(claim), id=f"without {claim}") for claim in GOOD),
        pytest.param(GOOD | {"iss": "elsewhere"}, id="another issuer"),
        pytest.param(GOOD | {"aud": "another service"}, id="another audience"),
        pytest.param(GOOD | {"aud": []}, id="no audience"),
        pytest.param(GOOD | {"exp": "tomorrow"}, id="a word for a time"),
    ],
)
def test_a_signed_token_with_missing_or_wrong_claims_is_refused(claims: dict[str, Any]) -> None:
    sessions = Sessions()
    assert sessions.session_of(jwt.encode(GOOD, sessions._secret, "HS256"))
    assert sessions.session_of(jwt.encode(claims, sessions._secret, "HS256")) is None


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_token_signed_with_another_algorithm_is_refused(algorithm: str) -> None:
    sessions = Sessions()
    assert sessions.session_of(jwt.encode(GOOD, sessions._secret, algorithm)) is None


@pytest.mark.parametrize(
    "header",
    [{"kid": "../../dev/null"}, {"jku": "http://127.0.0.1/keys"}, {"x5u": "http://127.0.0.1/x"}, {"crit": ["exp"]}],
    ids=str,
)
def test_the_header_of_a_token_cannot_select_another_signing_key(header: dict[str, Any]) -> None:
    assert Sessions().session_of(jwt.encode(GOOD, b"\0" * 32, "HS256", headers=header)) is None


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "x" * 100_000, "\0"])
def test_a_text_that_is_not_a_token_is_refused(token: str) -> None:
    assert Sessions().session_of(token) is None


def test_tokens_are_not_valid_after_a_restart() -> None:
    assert Sessions().session_of(Sessions().begin()) is None


def test_a_logout_ends_all_sessions_and_new_sessions_can_begin_afterwards() -> None:
    sessions = Sessions()
    tokens = [sessions.begin() for _ in range(3)]
    sessions.end_all()
    assert [sessions.session_of(token) for token in tokens] == [None] * 3
    assert sessions.session_of(sessions.begin())
