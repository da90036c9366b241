"""sora_proxy."""

__version__ = "0.1.0"
