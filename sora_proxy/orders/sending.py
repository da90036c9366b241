"""Sending: an order whose intent is on disk, and what the back end answered.

Most orders are one call. A synchronous back end may make one image in each call: an order for several is then sent as
single calls, at once, as many as its key has room for. Each has an intent of its own, and its outcome is on disk before
that of the next one. So after a crash the images that arrived are there, and nothing is unknown but the calls that were
under way. Calls that the back end did not take are sent later, with whatever key is free then.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from sora_proxy.errors import Fault, RateLimited, RequestFault, SubmissionUnknown, TaskFailed
from sora_proxy.events import OUR_MISTAKE, Failed, Preview, Progress
from sora_proxy.generation import Generation, SingleCall, Status
from sora_proxy.media.image_files import Media
from sora_proxy.orders.recorder import Recorder, done_now
from sora_proxy.scheduling.lease import Lease
from sora_proxy.upstream import InputImage, Made, Submission, Upstream
from sora_proxy.upstream.usage import added

LARGEST_SEED = 2**62  # that is varied: models differ in which they take

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """An order on its way: the lease of its key, and what `upload` returned for its images."""

    generation: Generation
    lease: Lease
    uploads: Mapping[str, InputImage]


@dataclass(frozen=True, slots=True)
class _Round:
    """Single calls that are sent at once: why some were not taken, the limits that answers reported, and the lock under
    which they change the state."""

    order: Order
    faults: list[Fault] = field(default_factory=list)
    limits: list[RateLimited] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sending:
    """Sends orders, each for at most `timeout` seconds. It has no state."""

    def __init__(self, upstream: Upstream, media: Media, recorder: Recorder, timeout: float) -> None:
        self.upstream = upstream
        self._media = media
        self._recorder = recorder
        self._timeout = timeout

    async def send(self, order: Order) -> None:
        """Send what is under way of an order, and commit its outcome. Raises the Fault for which nothing is known to
        be coming."""
        await (self._send_single_calls if order.generation.state.calls else self._send_whole)(order)

    async def _send_whole(self, order: Order) -> None:
        generation, lease = order.generation, order.lease
        try:
            outcome = await self._answer(order)
        except SubmissionUnknown as fault:
            log.warning("submission outcome unknown", key=lease.key.alias, reason=str(fault))
            await self._recorder.record(generation, generation.state.to(Status.unknown))
            return
        if isinstance(outcome, str):
            await self._recorder.accept(generation, outcome)
            return
        made = {"assets": outcome.assets, "usage": outcome.usage}
        await self._recorder.record(generation, generation.state.to(Status.saving, **made, **done_now(generation)))
        lease.accepted(outcome.limit)

    async def _send_single_calls(self, order: Order) -> None:
        generation, this = order.generation, _Round(order)
        under_way = [number for number, call in enumerate(generation.state.calls) if call.under_way]
        async with asyncio.TaskGroup() as group:
            for number in under_way:
                group.create_task(self._send_single_call(this, number))
        await self._end_round(this)

    async def _send_single_call(self, this: _Round, number: int) -> None:
        order, usage = this.order, None
        call = before = order.generation.state.calls[number]
        try:
            made = await self._answer(order, number)
            assert isinstance(made, Made)  # noqa: S101 - only synchronous back ends have single calls
            call, usage = replace(before, asset=replace(made.assets[0], key_id=order.lease.key.id)), made.usage
            if made.limit:
                this.limits.append(made.limit)
        except SubmissionUnknown as fault:
            log.warning("submission outcome unknown", key=order.lease.key.alias, image=number, reason=str(fault))
        except (RequestFault, TaskFailed) as fault:
            taken = isinstance(fault, TaskFailed)
            call = replace(before if taken else before.refused, error=Failed(fault.code, str(fault)))
        except Fault as fault:  # the back end did not take it
            this.faults.append(fault)
            call = before.refused
        except Exception:
            # A mistake of ours about one image must not take the others of the order, which are paid for.
            log.exception("single call crashed", image=number)
            call = replace(before, error=OUR_MISTAKE)
        async with this.lock:
            state = order.generation.state
            calls = (*state.calls[:number], call, *state.calls[number + 1 :])
            await self._recorder.record(order.generation, replace(state, calls=calls, usage=added(state.usage, usage)))

    async def _end_round(self, this: _Round) -> None:
        """Raises the fault for which calls were not taken, or all of them failed."""
        generation, lease, state = this.order.generation, this.order.lease, this.order.generation.state
        unknown = any(call.under_way for call in state.calls)
        lease.narrow(len(this.faults))
        if state.results and not unknown:
            lease.accepted(*this.limits[-1:])
        for fault in this.faults if unknown else this.faults[:-1]:
            lease.met(fault)
        if unknown:
            await self._recorder.record(generation, state.to(Status.unknown))
        elif this.faults:
            raise this.faults[-1]
        else:
            await self._go_on(generation)

    async def give_up_unknown(self, generation: Generation, failed: Failed) -> None:
        """Name the images whose calls have an unknown outcome, and go on with the others."""
        state = generation.state
        calls = tuple(replace(call, error=failed) if call.under_way else call for call in state.calls)
        await self._recorder.record(generation, replace(state, calls=calls))
        await self._go_on(generation)

    async def _go_on(self, generation: Generation) -> None:
        """Have the calls that are left sent later; without any, save the images. Raises Fault if there is none."""
        state = generation.state
        if not all(call.done for call in state.calls):
            await self._recorder.requeue(generation)
        elif state.results:
            await self._recorder.record(generation, state.to(Status.saving, **done_now(generation)))
        else:
            raise _failure(state.calls)

    async def _answer(self, order: Order, number: int | None = None) -> str | Made:
        """What the back end answers to the order, or to the single call of a number.

        Raises Fault; SubmissionUnknown also if the answer takes too long.
        """
        report = _Report(self._recorder, order.generation, number)
        try:
            async with asyncio.timeout(self._timeout), self._media.new_results() as new_file:
                return await self.upstream.submit(_submission(order, number, new_file, report))
        except TimeoutError:
            raise SubmissionUnknown("The back end did not answer in time.") from None


@dataclass(frozen=True, slots=True)
class _Report:
    """Shows clients how far an order is. A single call does not know which of the images it makes."""

    recorder: Recorder
    generation: Generation
    number: int | None

    async def __call__(self, news: Progress | Preview) -> None:
        if isinstance(news, Preview) and self.number is not None:
            news = replace(news, index=self.number)
        await self.recorder.show(self.generation, news)


def _submission(order: Order, number: int | None, new_file: Callable[[], Path], report: _Report) -> Submission:
    generation, uploads = order.generation, order.uploads
    spec, state, size = generation.spec, generation.state, generation.size
    return Submission(
        spec=replace(spec, width=size[0], height=size[1]),
        account=order.lease.sending(),
        model=state.model or spec.model,
        n=spec.n if number is None else 1,
        attempt_id=generation.attempt_id if number is None else generation.call_id(number),
        parameters=_parameters(generation, number or 0),
        images=[uploads[name] for name in spec.images],
        mask=uploads.get(spec.mask or ""),
        new_file=new_file,
        report=report,
    )


def _parameters(generation: Generation, number: int) -> dict[str, Any]:
    """Those that the model takes. Each single call has a seed of its own: the same one would make the same image."""
    ignored = generation.state.ignored
    parameters = {name: value for name, value in generation.spec.parameters.items() if name not in ignored}
    seed = parameters.get("seed")
    if isinstance(seed, int) and 0 <= seed < LARGEST_SEED:
        parameters["seed"] = seed + number
    return parameters


def _failure(calls: Sequence[SingleCall]) -> Fault:
    """Why an order has no image, of which all calls failed. The back end took it if it took one of them."""
    error = next(call.error for call in calls if call.error)
    taken = any(call.counted for call in calls)
    return (TaskFailed if taken else RequestFault)(error.message, code=error.code)
