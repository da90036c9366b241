"""Tests of which order gets which key, and when. The event loop does not wait: its clock jumps to the next timer."""

from collections.abc import Mapping
from typing import Any

from tests.unit.scheduling.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(config: object, item: object) -> Mapping[str, Any]:
    return {"virtual time": VirtualTimeLoop}
