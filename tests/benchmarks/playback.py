"""sora_proxy with generations that are only played back, so only the cost of its streams remains.

`python -m tests.benchmarks.playback SCRIPT` is a separate program, started and set up exactly like sora_proxy. Only the
supervisor's `start` is replaced. The replacement shows the recorded events at the recorded times. It orders nothing and
stores nothing.
"""

import asyncio
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from sora_proxy.__main__ import main as sora_proxy
from sora_proxy.event_log import Completed, Event, Image, Progress
from sora_proxy.generation import Generation, State, Status, new_generation_id
from sora_proxy.orders.store import InSameCommit
from sora_proxy.orders.supervisor import Supervisor
from sora_proxy.spec import GenerationSpec
from tests.benchmarks.bare import Script, read_script
from tests.benchmarks.load import LINK
from tests.benchmarks.programs import TASKS_PER_KEY

JOIN_SECONDS = 0.1
PERCENT = re.compile(rb'"reasoning_content":"(\d+) %')


@dataclass(frozen=True, slots=True)
class Moment:
    """Events that were shown together."""

    at: float
    events: tuple[Event, ...]


def moments(script: Script) -> list[Moment]:
    """The events of the recorded stream. The handler itself adds the first chunk and the last chunks."""
    found: list[Moment] = []
    for at, data in script.chunks:
        if percent := PERCENT.search(data):
            found.append(Moment(at, (Progress(int(percent[1])),)))
        elif link := LINK.search(data):
            found.append(Moment(at, (Image(0, url=link[1].decode()), Completed())))
    return found


class Player:
    """Gives every order the same recorded events.

    One timer shows an event to many generations, just as one real poll shows all tasks of a key.
    """

    def __init__(self, story: list[Moment]) -> None:
        self._story = story
        # All the mutable state: the generations that share a timer, and the time until which more generations may join.
        self._together: list[Generation] = []
        self._open_until = 0.0

    async def start(self, spec: GenerationSpec, client: str, *_also: InSameCommit) -> Generation:
        """Begin to show the recorded events."""
        loop = asyncio.get_running_loop()
        if loop.time() > self._open_until or len(self._together) == TASKS_PER_KEY:
            self._together, self._open_until = [], loop.time() + JOIN_SECONDS
            for moment in self._story:
                loop.call_later(moment.at, _show, self._together, moment.events)
        generation = Generation(new_generation_id(), client, spec, state=State(Status.running))
        self._together.append(generation)
        return generation


def _show(generations: list[Generation], events: tuple[Event, ...]) -> None:
    for generation in generations:
        if isinstance(events[-1], Completed):
            generation.state = State(Status.completed)
        generation.log.append(*events)
        if generation.ended:
            generation.log.close()


if __name__ == "__main__":
    player = Player(moments(read_script(Path(sys.argv[1]))))
    with mock.patch.object(Supervisor, "start", player.start):
        sys.exit(sora_proxy([]))
