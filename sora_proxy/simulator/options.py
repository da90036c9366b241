"""Options: the behaviour of the simulated service, one frozen object with one line of meaning per option."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

PROGRESS_SHAPES = ("linear", "steps", "stuck", "none")
PROGRESS_SCALES = ("fraction", "percent")


def option(default: Any, meaning: str, choices: tuple[str, ...] = ()) -> Any:
    """Make a field of options."""
    return field(default=default, metadata={"meaning": meaning, "choices": choices})


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """The options of Sora's wire. The defaults suit a demonstration; times are in seconds."""

    seconds: float = option(8.0, "seconds that a task runs, once it left the queue")
    jitter: float = option(0.0, "how far a run may differ from that, as a share of it (0 to 1)")
    queue_seconds: float = option(1.0, "seconds that a task is preprocessed and queued before it runs")
    progress: str = option(
        "linear", "how progress grows during a run; stuck: fast, then 0.99 to the end", PROGRESS_SHAPES
    )
    progress_scale: str = option("fraction", "what a finished task's progress is: 1 or 100", PROGRESS_SCALES)
    progress_null_share: float = option(0.1, "share of the run during which progress is still null (0 to 1)")
    list_lag: float = option(0.0, "seconds until a registered task is shown, in the list and on its own")
    max_concurrent: int = option(0, "tasks that a token may have unfinished at once (0: no limit)")
    rpm: int = option(0, "tasks that a token may register in any 60 seconds (0: no limit)")
    wrap_rows: bool = option(default=False, meaning="list tasks as data[].payload instead of task_responses[]")
    page_limit: int = option(100, "most tasks in one page of the list, whatever the limit asked for")
    media_ttl: float = option(3600.0, "seconds until a media URL expires; later answers carry a fresh one")
    answer_delay: float = option(0.0, "seconds that every API answer is held back (its effect comes at once)")
    list_without_prompts: bool = option(
        default=False, meaning="leave prompt, size and n_variants out of the list's tasks"
    )

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError, which names the option."""
        for each in fields(self):
            check_option(each.name, getattr(self, each.name), each.metadata["choices"])
        for name in ("jitter", "progress_null_share"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} must be at most 1")
        if self.page_limit < 1:
            raise ValueError("page_limit must be at least 1")


def check_option(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Check a value. Raises ValueError, which names the option."""
    if choices and value not in choices:
        raise ValueError(f"{name} must be one of: {', '.join(choices)}")
    if isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be zero or more")
