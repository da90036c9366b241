"""The mark of this server in its requests to back ends: one that comes back to it leads in a circle, and is refused."""

INSTANCE_HEADER = "x-sora-proxy-instance"
