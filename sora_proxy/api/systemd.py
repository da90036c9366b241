"""Tells systemd when the server is ready and when it stops, as `Type=notify` of a unit demands (sd_notify(3))."""

import contextlib
import os
import socket

ADDRESS = "NOTIFY_SOCKET"  # set by systemd, in the environment of such a unit only


def notify(state: str) -> None:
    """Send a state such as `READY=1`. Without systemd, nothing happens."""
    if address := os.environ.get(ADDRESS):
        address = "\0" + address[1:] if address.startswith("@") else address  # an abstract address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(state.encode(), address)
