"""Jobs: reads the states of this server's jobs, and stops jobs without disturbing those of other programs."""

from collections.abc import Sequence
from urllib.parse import quote

from sora_proxy.foreign.bounded_json import as_object
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import Snapshot, TaskState
from sora_proxy.upstream.comfyui.answers import STOPPED, IsClass, QueuedJob, ended_job, queued_jobs, version_in
from sora_proxy.upstream.comfyui.calls import Calls
from sora_proxy.upstream.comfyui.listener import Listener, Socket
from sora_proxy.upstream.http_client import HttpClient

FIRST_INTERRUPT_BY_ID = (0, 3, 57)  # in older versions, an interrupt stops whichever job is running
MAX_FRAME_BYTES = 64 * 2**20
OPEN_SECONDS = 10.0


class Jobs:
    """The jobs of all accounts. An account has a listener while it has jobs."""

    def __init__(self, calls: Calls, http: HttpClient, is_class: IsClass) -> None:
        self._calls = calls
        self._http = http
        self._is_class = is_class
        # All the mutable state: the listeners by key id, and the ids of stopped jobs. The ids are needed because a job
        # that is stopped while it is waiting leaves no trace at the server.
        self._listeners: dict[str, Listener] = {}
        self._stopped: set[str] = set()

    def listener(self, account: Account) -> Listener:
        """The listener for an account's jobs. Its next socket uses the address and headers of `account`."""

        def connect(client_id: str) -> Socket:
            path = f"/ws?clientId={quote(client_id)}"
            call = self._calls.call(account, "GET", path, seconds=OPEN_SECONDS)
            return self._http.socket(call, max_frame=MAX_FRAME_BYTES)

        listener = self._listeners.setdefault(account.key_id, Listener(connect))
        listener.connect = connect
        return listener

    async def poll(self, task_ids: Sequence[str], account: Account) -> dict[str, Snapshot]:
        """The states of the given jobs. Jobs that the server does not know are left out. Raises Fault."""
        queue = queued_jobs(await self._calls.get(account, "/queue"))
        listener, found = self.listener(account), {}
        for task_id in task_ids:
            if task_id in queue:
                found[task_id] = _unfinished(task_id, queue[task_id], listener)
                continue
            listener.forget(task_id)
            history = await self._calls.get(account, f"/history/{quote(task_id, safe='')}")
            ended = ended_job(task_id, history, self._is_class)
            if ended is None and task_id in self._stopped:
                ended = Snapshot(task_id, TaskState.failed, reason=STOPPED)
            if ended is not None:
                self._stopped.discard(task_id)
                found[task_id] = ended
        return found

    async def stop(self, task_id: str, account: Account) -> None:
        """Stop a waiting or running job. Raises Fault."""
        answer = await self._calls.post(account, f"/api/jobs/{quote(task_id, safe='')}/cancel", {})
        cancelled = as_object(answer.document).get("cancelled")
        if answer.status != 200 or not isinstance(cancelled, bool):  # the server lacks the route
            cancelled = await self._stop_in_older(task_id, account)
        if cancelled:
            self._stopped.add(task_id)

    async def close(self) -> None:
        for listener in self._listeners.values():
            await listener.close()

    async def _stop_in_older(self, task_id: str, account: Account) -> bool:
        """Stop a job through the routes of older servers. Returns whether the job existed. The job is first removed
        from the queue and then interrupted, because it may start before it is removed."""
        known = task_id in queued_jobs(await self._calls.get(account, "/queue"))
        await self._calls.post(account, "/queue", {"delete": [task_id]})
        version = version_in(await self._calls.get(account, "/system_stats"))
        if version is not None and version >= FIRST_INTERRUPT_BY_ID:
            await self._calls.post(account, "/interrupt", {"prompt_id": task_id})
        return known


def _unfinished(task_id: str, job: QueuedJob, listener: Listener) -> Snapshot:
    progress = listener.watch(task_id, job.graph, client_id=job.client_id, runs=job.position is None)
    return Snapshot(
        task_id,
        TaskState.running,
        progress=progress.fraction,
        position=job.position,
        preview=progress.preview,
        ended=progress.ended,
    )
