"""Tells systemd when the server is ready and when it stops, as units with `Type=notify` require (sd_notify(3))."""

import contextlib
import os
import socket

ADDRESS = "NOTIFY_SOCKET"  # an environment variable that systemd sets only for such units


def notify(state: str) -> None:
    """Send a state such as `READY=1`. Without systemd, this does nothing."""
    if address := os.environ.get(ADDRESS):
        address = "\0" + address[1:] if address.startswith("@") else address  # an abstract address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(state.encode(), address)
