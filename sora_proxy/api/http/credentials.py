"""Finds the client or operator that sent a request. Credentials are compared in constant time."""

import hmac

from aiohttp import web

from sora_proxy.api.http.context import ACCESS, SESSIONS
from sora_proxy.api.http.forwarding import client_address
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.operators.audit import Actor


def client_of(request: web.Request) -> str:
    """The fingerprint of the client key in the request.

    Raises ClientError for an unknown key.
    """
    given = _token_of(request)
    for key, holder in request.app[ACCESS].holders:
        if _equal(given, key):
            return holder
    message = "Incorrect API key provided." if given else "No API key provided. Send it as 'Authorization: Bearer KEY'."
    raise ClientError(message, code="invalid_api_key")


def operator_of(request: web.Request) -> Actor:
    """The operator who sends the request, with the admin key or the token of a session.

    Raises ClientError: 403 for the key of a client, 401 for everything else.
    """
    given, address = _token_of(request), client_address(request)
    if is_admin_key(request, given):
        return Actor("admin key", address)
    if session := request.app[SESSIONS].session_of(given):
        return Actor(f"session {session}", address)
    client_of(request)
    raise ClientError("This request needs the admin key.", code="admin_key_required")


def is_admin_key(request: web.Request, given: str) -> bool:
    return _equal(given, request.app[ACCESS].admin_key.encode())


def _token_of(request: web.Request) -> str:
    """The request's key. Two Authorization headers count as none."""
    given = request.headers.getall("authorization", [])
    if len(given) > 1:
        return ""
    scheme, _, token = "".join(given).partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("api-key", "")


def _equal(given: str, key: bytes) -> bool:
    """Compare as bytes, since comparing strings fails on characters outside ASCII."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), key)
