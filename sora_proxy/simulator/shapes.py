"""Shapes: makes the JSON objects of the protocol."""

from datetime import UTC, datetime
from typing import Any

from sora_proxy.simulator.engine import Page
from sora_proxy.simulator.lifecycle import State, Task, moderation_of
from sora_proxy.simulator.media import media_path
from sora_proxy.simulator.orders import MAX_VARIANTS
from sora_proxy.simulator.state import Simulator

ENCODINGS = ("source", "md", "ld", "thumbnail")
ORDER_FIELDS = ("prompt", "n_variants", "width", "height")


def task_json(simulator: Simulator, task: Task, base: str) -> dict[str, Any]:
    """Describe the current state of a task; `base` is the scheme and host of its media URLs."""
    state, order, failure = simulator.engine.state(task), task.order, task.fate.failure
    failed = state.finished and failure is not None
    return {
        "id": task.id,
        "type": "image_gen",
        "status": state.status,
        "created_at": datetime.fromtimestamp(task.created_at, UTC).isoformat(),
        "progress_pct": state.progress,
        "progress_pos_in_queue": state.queue_position,
        "estimated_queue_wait_time": state.queue_wait,
        "operation": order.operation,
        "prompt": order.prompt,
        "n_variants": order.n_variants,
        "n_frames": 1,
        "width": order.width,
        "height": order.height,
        "generations": _generations(simulator, task, state, base),
        "failure_reason": failure.reason if failed and failure else None,
        "moderation_result": moderation_of(task, state),
        "num_unsafe_generations": min(task.fate.unsafe_variants, order.n_variants) if state.finished else 0,
        "needs_user_review": bool(failed and failure and failure.needs_review),
    }


def _generations(simulator: Simulator, task: Task, state: State, base: str) -> list[dict[str, Any]]:
    if not state.succeeded:
        return []
    safe = max(0, task.order.n_variants - task.fate.unsafe_variants)
    return [_generation(simulator, task, variant, base) for variant in range(1, safe + 1)]


def _generation(simulator: Simulator, task: Task, variant: int, base: str) -> dict[str, Any]:
    url = base + media_path(simulator, task, variant) if task.fate.has_urls else None
    size = {"width": task.order.width, "height": task.order.height}
    encodings = {name: {"path": url, **size} if url else None for name in ENCODINGS}
    return {
        "id": f"gen_{task.id.removeprefix('task_')}_{variant}",
        "task_id": task.id,
        "url": url,
        "encodings": encodings,
        **size,
    }


def list_json(simulator: Simulator, page: Page, base: str) -> dict[str, Any]:
    """Return one page of the list."""
    rows = [task_json(simulator, task, base) for task in page.tasks]
    if simulator.options.list_without_prompts:
        for row in rows:
            for name in ORDER_FIELDS:
                del row[name]
    last_id = page.tasks[-1].id if page.tasks else None
    if simulator.options.wrap_rows:
        return {"data": [{"payload": row} for row in rows], "last_id": last_id, "has_more": page.has_more}
    return {"task_responses": rows, "last_id": last_id, "has_more": page.has_more}


def submitted_json(task: Task) -> dict[str, Any]:
    """Return the answer to a submit."""
    return {"id": task.id, "priority": 1, "rate_limit_and_credit_balance": None}


def parameters_json(simulator: Simulator) -> dict[str, Any]:
    """Return the answer to the free call that shows whether a token works."""
    limits = {"max_n_variants": MAX_VARIANTS, "max_concurrent_tasks": simulator.options.max_concurrent or None}
    return {"can_create_images": True, "can_create_videos": False, "limits_for_images": limits}
