"""Backends: the back ends in use, which may change at run time, and the choice of back ends for each order.

An order goes to the first back end in the configuration that serves its model and can take it at once. If all of them
are busy, the order waits in the line of each, and the first back end with a free key takes it. A back end whose daily
cap leaves no room for the order is skipped. Once a back end has accepted an order or made some of its images, the order
stays there.
"""

import asyncio
from collections.abc import Collection, Sequence

import structlog

from sora_proxy.errors import DailyCapReached, NoUpstreamKey, Rerouted, SoraProxyError
from sora_proxy.generation import Generation
from sora_proxy.orders.backend import Backend, Routes
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.lease import Lease
from sora_proxy.scheduling.line import Place
from sora_proxy.scheduling.waiting import OnWait, first_lease
from sora_proxy.spec import GenerationSpec

log = structlog.get_logger(__name__)


class Backends:
    """The back ends by name. `routes` returns those that support an order, in order of preference. If no back end
    supports an accepted order any more, the order waits at most `max_wait` seconds for one that does."""

    def __init__(self, routes: Routes, max_wait: float) -> None:
        self._routes = routes
        self._max_wait = max_wait
        # All the mutable state: the back ends, and an event that is set when they next change.
        self._by_name: dict[str, Backend] = {}
        self._next_change = asyncio.Event()

    def __getitem__(self, name: str) -> Backend:
        return self._by_name[name]

    def put(self, backend: Backend) -> None:
        self._by_name[backend.name] = backend

    def remove(self, name: str) -> Backend:
        """Remove a back end. Its orders must have ended."""
        return self._by_name.pop(name)

    @property
    def all(self) -> Collection[Backend]:
        return self._by_name.values()

    @property
    def enabled(self) -> list[Backend]:
        """The back ends that accept new orders."""
        return [backend for backend in self.all if backend.enabled]

    async def close(self) -> None:
        """End the polls and probes of all back ends."""
        await asyncio.gather(*(backend.close() for backend in self.all))

    async def aclose(self) -> None:
        """Close all connections to back ends."""
        for backend in self.all:
            await backend.close_connections()

    def get(self, name: str) -> Backend | None:
        return self._by_name.get(name)

    def of(self, generation: Generation) -> Backend:
        """The back end that has this order. Older versions stored only the id of its key, not the name of the back end.

        Raises NoUpstreamKey.
        """
        name, key_id = generation.state.backend, generation.state.key_id or ""
        if name is None:
            backend = next((each for each in self.all if each.keys.get(key_id) is not None), None)
        else:
            backend = self.get(name)
        if backend is None:
            raise NoUpstreamKey("The back end of this generation is no longer configured.")
        return backend

    def serving(self, spec: GenerationSpec) -> list[Backend]:
        """The back ends that support an order, the preferred one first."""
        return [backend for name in self._routes(spec) if (backend := self.get(name)) is not None]

    def changed(self) -> None:
        """Wake the orders that are waiting for a back end that supports them. Called whenever the back ends have
        changed."""
        self._next_change.set()
        self._next_change = asyncio.Event()

    async def until_served(self, spec: GenerationSpec) -> None:
        """Wait until a back end supports an order. Raises NoUpstreamKey after `max_wait` seconds."""
        if self.serving(spec):
            return
        log.info("order waiting for a back end", model=spec.model, seconds=self._max_wait)
        try:
            async with asyncio.timeout(self._max_wait):
                while not self.serving(spec):
                    await self._next_change.wait()
        except TimeoutError:
            raise NoUpstreamKey("No back end serves this model any longer.") from None

    def own_name(self, backend: str, spec: GenerationSpec) -> str | None:
        """A back end's own name for the model of an order; None if the back end does not support the order."""
        route = self._routes(spec).get(backend)
        return route.model if route else None

    def can_resume(self, generation: Generation) -> bool:
        """Whether an unfinished order can be resumed: either no back end has it yet, or its back end is in use."""
        return generation.state.backend is None or generation.state.backend in self._by_name

    def admit(self, spec: GenerationSpec, client: str, arriving: Sequence[str]) -> None:
        """Check that at least one back end that supports the client's order has room in its queue.

        Raises NoUpstreamKey, DailyCapReached or QueueFull.
        """
        serving = self.serving(spec)
        capped = _capped(serving, spec.n)
        refusal: SoraProxyError = next(iter(capped.values()), NoUpstreamKey())
        for backend in serving:
            if backend.name in capped:
                continue
            try:
                return backend.keys.admit(client, arriving, model=self.own_name(backend.name, spec))
            except SoraProxyError as error:
                without_key = isinstance(error, NoUpstreamKey)  # other errors are temporary: they take precedence
                refusal = refusal if without_key and not isinstance(refusal, NoUpstreamKey) else error
        raise refusal

    def waiting(self, generation: Generation) -> "Waiting":
        return Waiting(self, generation)


class Waiting:
    """The places of one order in the lines of the back ends that serve its model. If a back end refuses the order, the
    order keeps its places."""

    def __init__(self, backends: Backends, generation: Generation) -> None:
        self._backends = backends
        self._generation = generation
        # All the mutable state: the places, and the pools of back ends that refused the order for too long.
        self._places: dict[KeyPool, Place[Lease]] = {}
        self._given_up: set[KeyPool] = set()

    @property
    def exhausted(self) -> bool:
        """Whether every back end that serves the model refused the order for too long."""
        return not self._serving and bool(self._given_up)

    @property
    def _serving(self) -> dict[KeyPool, Backend]:
        return {each.keys: each for each in self._all if each.keys not in self._given_up}

    @property
    def _all(self) -> list[Backend]:
        """The back ends that serve the model. For an order that has begun, this is only the back end where it began,
        even if that back end is disabled."""
        begun_at = self._generation.state.backend
        if begun_at is None:
            return self._backends.serving(self._generation.spec)
        begun = self._backends.get(begun_at)
        return [begun] if begun else []

    async def lease(self, on_wait: OnWait) -> tuple[Backend, Lease]:
        """Wait for a key; `on_wait` is called with each new position in line. Raises NoUpstreamKey if no usable key is
        left, or DailyCapReached if a daily cap is one of the reasons for that. If all back ends refused the order,
        raises the error of one of them."""
        while True:
            if self._generation.state.backend is None:
                await self._backends.until_served(self._generation.spec)
            serving = self._serving
            capped = _capped(serving.values(), self._generation.images_left)
            places = [(pool, self._place_in(pool)) for pool, backend in serving.items() if backend.name not in capped]
            for pool, place in places:
                place.model = self._generation.state.model or self._backends.own_name(pool.name, self._generation.spec)
            try:
                pool, lease = await first_lease(places, on_wait)
            except Rerouted:
                continue
            except NoUpstreamKey as error:
                raise next(iter(capped.values()), error) from None
            return serving[pool], lease

    def note_refusal(self, backend: Backend, now: float) -> float:
        """Note a refusal that the order did not cause. Returns the seconds since the first such refusal by this back
        end."""
        seconds = self._place_in(backend.keys).note_refusal(now)
        if seconds >= backend.keys.queue.max_refused_seconds:
            self._given_up.add(backend.keys)
        return seconds

    def _place_in(self, pool: KeyPool) -> Place[Lease]:
        if pool not in self._places:
            self._places[pool] = Place(self._generation.client, self._generation.id)
        return self._places[pool]


def _capped(backends: Collection[Backend], images: int) -> dict[str, DailyCapReached]:
    """The names of the back ends whose daily caps leave no room for this many images, each with the error to raise."""
    refusals = {backend.name: backend.cap_reached(images) for backend in backends}
    return {name: refusal for name, refusal in refusals.items() if refusal is not None}
