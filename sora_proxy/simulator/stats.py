"""Stats: the counts that the simulator of Sora's web protocol shows."""

from collections.abc import Mapping
from typing import Any

from sora_proxy.simulator.state import Simulator


def stats_of(simulator: Simulator, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the counts since startup or the last reset; `?tasks=0` omits the list of tasks."""
    ledger, peaks = simulator.ledger, simulator.engine.peaks
    return {
        "requests": ledger.requests,
        "answers": ledger.answers,
        "refusals": ledger.refusals,
        "registered": ledger.registered,
        "tasks": [_task(task, at) for task, at in ledger.tasks] if query.get("tasks") != "0" else [],
        "unfinished": simulator.engine.unfinished(),
        "max_concurrent": peaks.overall,
        "max_concurrent_by_token": peaks.by_token,
        "uploads": list(ledger.uploads),
        "lists": {token: lists.described() for token, lists in ledger.lists.items()},
        "faults_struck": simulator.faults.struck,
    }


def _task(task: Any, at: float) -> dict[str, Any]:
    order = task.order
    return {
        "id": task.id,
        "token": task.token,
        "prompt": order.prompt,
        "at": at,
        "n_variants": order.n_variants,
        "width": order.width,
        "height": order.height,
        "upload_id": order.upload_id,
    }
