"""Sessions: short-lived tokens for operators, so that a browser need not store the admin key.

They are JWTs, signed with a secret that is generated at startup and kept in memory only. `end_all` generates a new
secret, which invalidates every earlier token.
"""

import secrets
import time

import jwt

SESSION_SECONDS = 3600
ALGORITHM = "HS256"
ISSUER, AUDIENCE = "sora_proxy", "sora_proxy admin"
CLAIMS = ("exp", "iat", "iss", "aud", "jti")


class Sessions:
    """Starts sessions, recognizes their tokens, and ends all of them at once."""

    def __init__(self) -> None:
        # All the mutable state: the signing secret.
        self._secret = secrets.token_bytes(32)

    def begin(self) -> str:
        """The token of a new session."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + SESSION_SECONDS}
        return jwt.encode(claims | {"jti": secrets.token_hex(8)}, self._secret, ALGORITHM)

    def session_of(self, token: str) -> str | None:
        """The id of a token's session; None if the token is not valid or has expired."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": list(CLAIMS)},
            )
        except jwt.PyJWTError:
            return None
        return str(claims["jti"])

    def end_all(self) -> None:
        self._secret = secrets.token_bytes(32)
