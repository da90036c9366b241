"""Reads the point at which a request resumes a stream: after the last sequence number that the client received."""

import re

from aiohttp import web

from sora_proxy.api.http.refusals import ClientError
from sora_proxy.generation import Generation

SEQUENCE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


def requested_start(request: web.Request, generation: Generation, *, numbers_per_event: int) -> int | None:
    """The sequence number after which the requested stream begins: -1 for the whole stream, None if no stream is
    requested.

    Raises ClientError.
    """
    if request.query.get("stream", "").lower() not in ("true", "1"):
        return None
    number = request.query.get("starting_after")
    return -1 if number is None else resume_point(number, len(generation.log), numbers_per_event=numbers_per_event)


def resume_point(text: str, events: int, *, numbers_per_event: int = 1) -> int:
    """Parse the number after which a client resumes. It must be in range: there are `events` events, with at most
    `numbers_per_event` numbers each.

    Raises ClientError.
    """
    if SEQUENCE_NUMBER.fullmatch(text) is None or int(text) // numbers_per_event > events:
        raise ClientError("Unknown sequence number.", param="starting_after")
    return int(text)
