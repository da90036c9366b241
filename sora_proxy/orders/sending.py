"""Sending: sends an order whose intent is on disk, and records the answer.

Most orders are sent as one call. Some synchronous back ends make only one image in each call. An order for several
images is then split into single calls, and as many of them as its key has room for are sent at the same time. Each call
has its own intent, and its outcome is stored as soon as it arrives. So after a crash the images that had arrived are
not lost, and only the calls that were under way have an unknown outcome. Calls that the back end did not accept are
sent later, with any free key of the same back end.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from sora_proxy.errors import Fault, RateLimited, RequestFault, SubmissionUnknown, TaskFailed
from sora_proxy.event_log import INTERNAL_ERROR, Failed, Preview, Progress
from sora_proxy.generation import Generation, SingleCall, Status
from sora_proxy.media.image_files import Media
from sora_proxy.orders.recorder import Recorder, done_fields
from sora_proxy.scheduling.lease import Lease
from sora_proxy.upstream import InputImage, Made, Submission, Upstream
from sora_proxy.upstream.usage import added

MAX_VARIED_SEED = 2**62  # seeds from this one on are sent unchanged, because the model might not accept larger ones

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """An order to send, with the lease of its key and the uploaded images by name."""

    generation: Generation
    lease: Lease
    uploads: Mapping[str, InputImage]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Single calls that are sent at the same time. `faults` are the reasons why some calls were not accepted, `limits`
    the rate limits that answers reported. The calls change the generation's state under `lock`."""

    order: Order
    faults: list[Fault] = field(default_factory=list)
    limits: list[RateLimited] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sending:
    """Sends orders, and waits for each answer for at most `timeout` seconds. This class has no state."""

    def __init__(self, upstream: Upstream, media: Media, recorder: Recorder, timeout: float) -> None:
        self.upstream = upstream
        self._media = media
        self._recorder = recorder
        self._timeout = timeout

    async def send(self, order: Order) -> None:
        """Send an order, or its single calls that have an intent, and commit the outcome. Raises Fault if the order or
        a call was not accepted, or if no image was made."""
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
        await self._recorder.record(generation, generation.state.to(Status.saving, **made, **done_fields(generation)))
        lease.accepted(outcome.limit)

    async def _send_single_calls(self, order: Order) -> None:
        generation, batch = order.generation, _Batch(order)
        under_way = [number for number, call in enumerate(generation.state.calls) if call.under_way]
        async with asyncio.TaskGroup() as group:
            for number in under_way:
                group.create_task(self._send_single_call(batch, number))
        await self._end_batch(batch)

    async def _send_single_call(self, batch: _Batch, number: int) -> None:
        order, usage = batch.order, None
        call = before = order.generation.state.calls[number]
        try:
            made = await self._answer(order, number)
            assert isinstance(made, Made)  # noqa: S101 - only synchronous back ends have single calls
            call, usage = replace(before, asset=replace(made.assets[0], key_id=order.lease.key.id)), made.usage
            if made.limit:
                batch.limits.append(made.limit)
        except SubmissionUnknown as fault:
            log.warning("submission outcome unknown", key=order.lease.key.alias, image=number, reason=str(fault))
        except (RequestFault, TaskFailed) as fault:
            taken = isinstance(fault, TaskFailed)
            call = replace(before if taken else before.refused, error=Failed(fault.code, str(fault)))
        except Fault as fault:  # the back end did not accept the call
            batch.faults.append(fault)
            call = before.refused
        except Exception:
            # A bug in the handling of one image must not discard the other images of the order, which are paid for.
            log.exception("single call crashed", image=number)
            call = replace(before, error=INTERNAL_ERROR)
        async with batch.lock:
            state = order.generation.state
            calls = (*state.calls[:number], call, *state.calls[number + 1 :])
            await self._recorder.record(order.generation, replace(state, calls=calls, usage=added(state.usage, usage)))

    async def _end_batch(self, batch: _Batch) -> None:
        """Record the outcome of a batch. If calls were refused, raises the last of their faults. If all calls failed,
        raises the fault of the order."""
        generation, lease, state = batch.order.generation, batch.order.lease, batch.order.generation.state
        unknown = any(call.under_way for call in state.calls)
        lease.narrow(len(batch.faults))
        if state.results and not unknown:
            lease.accepted(*batch.limits[-1:])
        for fault in batch.faults if unknown else batch.faults[:-1]:
            lease.report(fault)
        if unknown:
            await self._recorder.record(generation, state.to(Status.unknown))
        elif batch.faults:
            raise batch.faults[-1]
        else:
            await self._continue(generation)

    async def give_up_unknown(self, generation: Generation, failed: Failed) -> None:
        """Record the calls whose outcome is unknown as failed, and continue with the other calls."""
        state = generation.state
        calls = tuple(replace(call, error=failed) if call.under_way else call for call in state.calls)
        await self._recorder.record(generation, replace(state, calls=calls))
        await self._continue(generation)

    async def _continue(self, generation: Generation) -> None:
        """Queue the calls that remain. If all calls are done, save the images. Raises Fault if there is no image."""
        state = generation.state
        if not all(call.done for call in state.calls):
            await self._recorder.requeue(generation)
        elif state.results:
            await self._recorder.record(generation, state.to(Status.saving, **done_fields(generation)))
        else:
            raise _failure(state.calls)

    async def _answer(self, order: Order, number: int | None = None) -> str | Made:
        """The back end's answer to the order, or to its single call with this number.

        Raises Fault, for example SubmissionUnknown if the answer takes too long.
        """
        report = _Report(self._recorder, order.generation, number)
        try:
            async with asyncio.timeout(self._timeout), self._media.new_results() as new_file:
                return await self.upstream.submit(_submission(order, number, new_file, report))
        except TimeoutError:
            raise SubmissionUnknown("The back end did not answer in time.") from None


@dataclass(frozen=True, slots=True)
class _Report:
    """Shows the progress of an order to clients. `number` is the number of the single call that reports it, if any."""

    recorder: Recorder
    generation: Generation
    number: int | None

    async def __call__(self, event: Progress | Preview) -> None:
        if isinstance(event, Preview) and self.number is not None:
            event = replace(event, index=self.number)
        await self.recorder.show(self.generation, event)


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
    """The parameters that the model takes. Each single call gets its own seed, because equal seeds produce equal
    images."""
    ignored = generation.state.ignored
    parameters = {name: value for name, value in generation.spec.parameters.items() if name not in ignored}
    seed = parameters.get("seed")
    if isinstance(seed, int) and 0 <= seed < MAX_VARIED_SEED:
        parameters["seed"] = seed + number
    return parameters


def _failure(calls: Sequence[SingleCall]) -> Fault:
    """The fault of an order whose calls all failed. The order counts as accepted if one of the calls was accepted."""
    error = next(call.error for call in calls if call.error)
    taken = any(call.counted for call in calls)
    return (TaskFailed if taken else RequestFault)(error.message, code=error.code)
