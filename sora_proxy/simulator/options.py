"""Options: the behaviour of the simulated service, as one frozen object with a short explanation of each option."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

PROGRESS_SHAPES = ("linear", "steps", "stuck", "none")
PROGRESS_SCALES = ("fraction", "percent")


def option(default: Any, meaning: str, choices: tuple[str, ...] = ()) -> Any:
    """Make the field of an option."""
    return field(default=default, metadata={"meaning": meaning, "choices": choices})


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """The options of the simulator of Sora's web protocol. The defaults suit a demonstration; times are in seconds."""

    seconds: float = option(8.0, "time that a task runs after it has left the queue, in seconds")
    jitter: float = option(0.0, "largest deviation from --seconds, as a share of it from 0 to 1")
    queue_seconds: float = option(1.0, "time that a task spends in preprocessing and in the queue, in seconds")
    progress: str = option(
        "linear",
        "how progress grows during a run; stuck: fast to 0.99, then no further until the end; none: no progress",
        PROGRESS_SHAPES,
    )
    progress_scale: str = option(
        "fraction", "scale of progress; a finished task has 1 (fraction) or 100 (percent)", PROGRESS_SCALES
    )
    progress_null_share: float = option(0.1, "share of a run during which progress is null, from 0 to 1")
    list_lag: float = option(0.0, "time until a registered task can be seen, in seconds")
    max_concurrent: int = option(0, "largest number of unfinished tasks per token (0: no limit)")
    rpm: int = option(0, "largest number of tasks that a token may register in any 60 seconds (0: no limit)")
    wrap_rows: bool = option(default=False, meaning="list tasks as data[].payload instead of task_responses[]")
    page_limit: int = option(100, "largest number of tasks in a page of the list")
    media_ttl: float = option(3600.0, "time until a media URL expires, in seconds; later answers contain a new one")
    answer_delay: float = option(0.0, "delay of every API answer, in seconds; the call itself takes effect at once")
    list_without_prompts: bool = option(
        default=False, meaning="omit prompt, size and n_variants from the tasks of the list"
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
