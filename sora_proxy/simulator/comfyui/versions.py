"""Versions: the versions of ComfyUI that can be simulated, and how they differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

MAX_BODY = 100 * 2**20  # bytes
VALID_STATES = ("pending", "in_progress", "completed", "failed", "cancelled")


class Change(Enum):
    """A change of behaviour. The value is the version that introduced it."""

    create_time = (0, 3, 69)  # is in extra_data; from about this version on, outputs from the cache need a client_id
    preview_by_job = (0, 5)
    jobs = (0, 6)
    cancelled_state = (0, 9)
    missing_node_type = (0, 12)
    cached_outputs = (0, 18)  # outputs from the cache no longer need a client_id
    cross_site = (0, 19)
    dependency_cycle = (0, 20)
    checked_ids = (0, 25)
    cancel = (0, 26)
    recent = (0, 33)  # fewer progress events, and more fields: seen with 0.33.0, but not with 0.8.0


@dataclass(frozen=True, slots=True)
class Version:
    """One version, with the entries in `/system_stats` and the feature flags that no other version has."""

    name: str
    os: str
    system: Mapping[str, Any]
    flags: Mapping[str, Any] = field(default_factory=dict)

    def has(self, change: Change) -> bool:
        """Return whether this version or an earlier one introduced a change."""
        return bool(tuple(map(int, self.name.split("."))) >= change.value)

    @property
    def features(self) -> dict[str, Any]:
        """The feature flags of the server."""
        return {"supports_preview_metadata": True, "max_upload_size": MAX_BODY, **self.flags}

    @property
    def states(self) -> tuple[str, ...]:
        """The states that the list of jobs can be filtered by."""
        return VALID_STATES if self.has(Change.cancelled_state) else VALID_STATES[:-1]

    @property
    def outputs_from_cache(self) -> bool:
        """Whether the results of a job without a client_id include the outputs of nodes from the cache."""
        return self.has(Change.cached_outputs) or not self.has(Change.create_time)


_MANAGER = {"extension": {"manager": {"supports_v4": True}}}

VERSIONS: Mapping[str, Version] = {
    version.name: version
    for version in (
        Version(
            "0.33.0",
            "linux",
            {
                "required_frontend_version": "1.49.6",
                "installed_templates_version": None,
                "required_templates_version": "0.11.44",
                "comfy_package_versions": [
                    {"name": "comfyui-frontend-package", "installed": None, "required": "1.49.6"}
                ],
                "deploy_environment": "local-git",
            },
            {
                "supports_model_type_tags": True,
                **_MANAGER,
                "node_replacements": True,
                "assets": False,
            },
        ),
        Version(
            "0.8.0",
            "linux",
            {
                "required_frontend_version": "1.35.9",
                "installed_templates_version": None,
                "required_templates_version": "0.7.67",
            },
            _MANAGER,
        ),
        Version(
            "0.3.64",
            "posix",
            {
                "required_frontend_version": "1.27.10",
                "installed_templates_version": None,
                "required_templates_version": "0.1.95",
            },
        ),
    )
}

_MEMORY = 25_000_000_000  # bytes
_FREE = 20_000_000_000


def system_stats(version: Version) -> dict[str, Any]:
    """Return the answer to `/system_stats`."""
    system = {"os": version.os, "ram_total": _MEMORY, "ram_free": _FREE, "comfyui_version": version.name}
    python = {"python_version": "3.11.7 (main) [GCC 12.2.0]", "pytorch_version": "2.13.0+cpu", "embedded_python": False}
    memory = {"vram_total": _MEMORY, "vram_free": _FREE, "torch_vram_total": _MEMORY, "torch_vram_free": _FREE}
    return {
        "system": {**system, **version.system, **python, "argv": ["main.py", "--cpu"]},
        "devices": [{"name": "cpu", "type": "cpu", "index": None, **memory}],
    }
