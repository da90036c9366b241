"""Backend: carries out orders at one back end, with the back end's keys and the poller of its tasks.

`work` carries out an order on a leased key, from the intent until the results are known. Each step starts from the
state on disk, so the same code resumes orders after a restart. If the outcome of an order is unknown, the back end is
searched for the order's task before the order is sent again. If the back end can't be searched, the order is sent again
only if the operator chose that.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from sora_proxy.background import uninterrupted
from sora_proxy.errors import DailyCapReached, Fault, SubmissionUnknown, TaskFailed, TaskLost
from sora_proxy.event_log import Failed, Image
from sora_proxy.generation import Generation, SingleCall, Status
from sora_proxy.media.image_files import Media
from sora_proxy.orders.following import Following, limited_wait
from sora_proxy.orders.lost_orders import LostOrders
from sora_proxy.orders.recorder import Recorder
from sora_proxy.orders.results import Results
from sora_proxy.orders.sending import Order, Sending
from sora_proxy.orders.spending import Spending
from sora_proxy.orders.store import Store
from sora_proxy.orders.watcher import TaskWatcher
from sora_proxy.scheduling.circuits import outage
from sora_proxy.scheduling.cooldown import Incident
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.probes import Probes
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream import Abilities, Identity, InputImage, Upstream
from sora_proxy.upstream.model_names import Route

log = structlog.get_logger(__name__)

MAX_SENDS = 3  # an order that is lost again and again is sent this many times: a back end may charge for each attempt
SEARCHABLE = (Identity.named, Identity.listed)


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """What the operator chose for sending orders. Times are in seconds."""

    settle_time: float = 20.0
    on_unknown: Literal["auto", "requeue", "fail"] = "auto"
    on_lost: Literal["fail", "requeue"] = "fail"
    generation_timeout: float = 1800.0  # how long clients wait, and how long a call to a synchronous back end may take
    give_up_after: float = 21_600.0
    poll_interval: float = 3.0


Routes = Callable[[GenerationSpec], Mapping[str, Route]]  # the routes of an order, by back end


@dataclass(frozen=True, slots=True)
class Resources:
    """The objects that all back ends share."""

    store: Store
    media: Media
    policy: SendPolicy
    routes: Routes
    spending: Spending


class Backend:
    """Carries out any number of orders at one back end. The state of each order is in its generation, not here."""

    def __init__(self, upstream: Upstream, keys: KeyPool, resources: Resources) -> None:
        store, policy = resources.store, resources.policy
        self.keys = keys
        self.upstream = upstream
        self.enabled = True  # whether the back end accepts new orders
        self._replaced: list[Upstream] = []  # calls through a replaced upstream may still be under way
        self._media = resources.media
        self._routes = resources.routes
        self._policy = policy
        self._spending = resources.spending
        self._recorder = Recorder(store)
        self._probes = Probes(upstream.probe, keys)
        keys.on_unproven = self._probes.start  # set here because probes need the pool
        self._watcher = TaskWatcher(upstream, keys, interval=policy.poll_interval, patience=policy.generation_timeout)
        self._lost_orders = LostOrders(upstream, keys, store, policy.settle_time)
        self._following = Following(self._watcher.follow, policy.give_up_after)
        self._results = Results(upstream, keys, resources.media)
        self._sending = Sending(upstream, resources.media, self._recorder, policy.generation_timeout)

    @property
    def name(self) -> str:
        return self.upstream.name

    @property
    def outage(self) -> Incident | None:
        """Why the servers of the back end can't be reached, and since when; None if one of them may be reachable."""
        return outage({key.server for key in self.keys.keys if key.in_service})

    def probe_servers(self) -> None:
        """Make a free call to each server if no server can be reached. While orders are waiting, no calls are made,
        because the orders themselves test the servers."""
        if self.outage and not self.keys.queue:
            by_server = {key.server: key for key in self.keys.keys if key.in_service and key.reachable(self.keys.now)}
            for key in by_server.values():
                self._probes.start(key)

    def use(self, upstream: Upstream) -> None:
        """Replace the upstream after a change of the configuration: all further calls go through the new one."""
        if upstream is not self.upstream:
            self._replaced.append(self.upstream)
            self.upstream = upstream
            for part in (self._watcher, self._lost_orders, self._results, self._sending):
                part.upstream = upstream
            self._probes.call = upstream.probe

    def cap_reached(self, images: int) -> DailyCapReached | None:
        """The reason why an order for this many images may not be sent now; None if it may be sent."""
        return self._spending.refusal(self.name, images)

    async def work(self, generation: Generation, lease: Lease) -> None:
        """Carry out an order on the leased key. If the order is split into single calls, only as many of them are sent
        as the key has room for. Raises Fault or DailyCapReached."""
        if generation.status is Status.queued:
            await self._send(generation, lease)
        elif generation.status is Status.submitting:  # the previous process ended before it stored the outcome
            await self._recorder.record(generation, generation.state.to(Status.unknown))
        with limited_wait(generation, self._policy.generation_timeout):
            if generation.status is Status.unknown:
                await self._settle(generation, lease)
            if generation.status is Status.running:
                lease.accepted()
                await self._follow(generation, lease)

    async def images(self, generation: Generation, *, store: bool) -> list[Image]:
        """The results of a finished task, as stored images or as links. Raises TaskFailed if no result is usable."""
        return await self._results.images(generation, store=store)

    async def cancel_task(self, generation: Generation) -> None:
        """Ask the back end to stop the task. If that fails, the task occupies its key until it has ended."""
        key, task_id = self.keys.get(generation.state.key_id or ""), generation.state.task_id
        if task_id is None and self.upstream.identity in (Identity.named, Identity.synchronous):
            task_id = generation.attempt_id
        if key is None or task_id is None:
            return
        try:
            await self.upstream.cancel(task_id, self.keys.account(key))
        except Fault as fault:
            log.warning("cancelling task failed", generation=generation.id, key=key.alias, reason=str(fault))

    async def close(self) -> None:
        """End all polls and probes."""
        await asyncio.gather(self._watcher.close(), self._probes.close())

    async def close_connections(self) -> None:
        for upstream in (*self._replaced, self.upstream):
            await upstream.close()

    async def _send(self, generation: Generation, lease: Lease) -> None:
        """Upload the input images, commit the intent, and send the order."""
        spec = generation.spec
        if reached := self.cap_reached(generation.images_left):
            raise reached
        uploads = {name: await self._upload(name, lease.key) for name in spec.inputs}
        listed = await self._lost_orders.listed_before(lease.key)
        fields, calls = self._ordered_fields(generation), 1
        if fields["calls"]:
            calls = lease.widen(generation.images_left)
            fields["calls"] = _with_intents(fields["calls"], calls)
        fields |= {"backend": self.name, "key_id": lease.key.id, "listed": listed}
        fields |= {"attempts": generation.state.attempts + calls, "intent_at": time.time()}
        await self._recorder.record(generation, generation.state.to(Status.submitting, **fields))
        if generation.cancelled:  # the client cancelled it while the intent was being written
            await self._recorder.requeue(generation)
        else:
            await uninterrupted(self._sending.send(Order(generation, lease, uploads)))

    def _ordered_fields(self, generation: Generation) -> dict[str, Any]:
        """The fields of the state that describe what is ordered from this back end. Once the order has single calls,
        these fields do not change any more."""
        spec, state = generation.spec, generation.state
        if state.calls:
            return {"calls": state.calls}
        route = self._route(spec)
        can = route.abilities.for_order(spec)
        calls = (SingleCall(),) * spec.n if can.splits(spec) else ()
        size = can.size_for((spec.width, spec.height))
        return {"model": route.model, "size": size, "ignored": can.ignored(spec), "calls": calls}

    async def _upload(self, name: str, key: Key) -> InputImage:
        file = self._media.input_path(name)
        return InputImage(file, await self.upstream.upload(file, self.keys.account(key)))

    def _route(self, spec: GenerationSpec) -> Route:
        """The route to this back end's model. If the back end no longer serves the model, the route contains the
        name that the client used."""
        return self._routes(spec).get(self.name) or Route(self.name, spec.model, Abilities())

    async def _settle(self, generation: Generation, lease: Lease) -> None:
        """Search for the task of an order whose outcome is unknown, and continue with this task. If there is no such
        task, the order may be sent again."""
        searchable = self.upstream.identity in SEARCHABLE
        if searchable and (task_id := await self._search(generation, lease)):
            log.info("order found at the back end", key=lease.key.alias)
            await self._recorder.accept(generation, task_id)
            return
        chosen = self._policy.on_unknown
        resend = chosen == "requeue" or (chosen == "auto" and searchable)
        proven, sends = searchable and chosen != "fail", generation.state.lost + 1
        if not resend or (sends >= MAX_SENDS and not proven):
            unknown = SubmissionUnknown("It is not known whether the back end accepted the order.")
            if not generation.state.calls:
                raise unknown
            await self._sending.give_up_unknown(generation, Failed(unknown.code, str(unknown)))
            return
        await self._recorder.requeue(generation, proven=proven)
        if sends >= MAX_SENDS:
            raise TaskFailed(f"The back end lost the order {sends} times.", code="upstream_unavailable")
        log.info("order not found at the back end, sending again", key=lease.key.alias)

    async def _search(self, generation: Generation, lease: Lease) -> str | None:
        try:
            async with asyncio.timeout(self._policy.give_up_after):
                return await self._lost_orders.find(generation, lease)
        except TimeoutError:
            raise SubmissionUnknown("It could not be determined whether the back end accepted the order.") from None

    async def _follow(self, generation: Generation, lease: Lease) -> None:
        """Follow the task until its results are known: from `running` to `saving`."""
        if generation.cancelled:
            await self.cancel_task(generation)
        try:
            assets = await self._following.results(generation, lease, self._recorder.show)
        except TaskLost:
            again = self._policy.on_lost == "requeue" and generation.state.lost + 1 < MAX_SENDS
            if not again or generation.cancelled:
                raise
            log.warning("task lost by the back end, sending again", key=lease.key.alias)
            await self._recorder.requeue(generation, proven=False)
        else:
            done = {"assets": assets, "upstream_done_at": time.time()}
            await self._recorder.record(generation, generation.state.to(Status.saving, **done))


def _with_intents(calls: Sequence[SingleCall], count: int) -> tuple[SingleCall, ...]:
    """All calls, with an intent for the first `count` calls that have no outcome yet."""
    left = [number for number, call in enumerate(calls) if not call.done][:count]
    intent = [SingleCall(sent=True, counted=call.counted + 1) for call in calls]
    return tuple(intent[number] if number in left else call for number, call in enumerate(calls))
