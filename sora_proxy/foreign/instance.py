"""The marks that sora_proxy servers put into requests to back ends. They show whether an order goes in a circle."""

INSTANCE_HEADER = "x-sora-proxy-instance"  # the marks of all servers that the order came through, comma-separated
MAX_HOPS = 10
MAX_MARK_LENGTH = 64


def marks_in(header: str | None) -> tuple[str, ...]:
    """The marks in a header, in the order of the servers. Of a long list, only the last marks are returned."""
    marks = tuple(mark.strip()[:MAX_MARK_LENGTH] for mark in (header or "").split(",")[-MAX_HOPS:])
    return tuple(mark for mark in marks if mark.isascii() and mark.isalnum())


def header_with(via: tuple[str, ...], mark: str) -> str:
    """The header for an order that came through the servers `via` and is now sent by the server with this mark."""
    return ",".join((*via, mark))
