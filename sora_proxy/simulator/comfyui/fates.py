"""Fates: applies an injected fault to a running job."""

import uuid

from sora_proxy.simulator.comfyui.jobs import Job
from sora_proxy.simulator.comfyui.nodes import NodeFailed
from sora_proxy.simulator.comfyui.pictures import Picture, preview_frame
from sora_proxy.simulator.comfyui.sockets import Sockets
from sora_proxy.simulator.faults import Rule

OUT_OF_MEMORY = (
    "Allocation on device\nThis error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before "
    "you might have accidentally set the batch_size to a large number."
)
NODE = "3"  # the id of a node in another client's job


class Vanished(Exception):
    """Raised to make the job disappear without a trace."""


async def meet(fate: Rule, job: Job, sockets: Sockets) -> None:
    """Apply the injected fault to a running job. Raises NodeFailed or Vanished."""
    given = fate.parameters
    match fate.fault:
        case "execution_error":
            raise NodeFailed(given["type"], given["message"])
        case "out_of_memory":
            raise NodeFailed("torch.OutOfMemoryError", OUT_OF_MEMORY)
        case "vanish" if given["when"] == "running":
            raise Vanished
        case "cut_socket" if job.client_id is not None:
            sockets.cut(job.client_id)
        case "foreign_frames":
            await send_foreign_frames(sockets, job, 0)
        case "large_frame":
            await send_foreign_frames(sockets, job, given["bytes"])


async def send_foreign_frames(sockets: Sockets, job: Job, size: int) -> None:
    """Send the progress and previews of a job that another client submitted without a client_id.

    One preview contains the id of that job, the other one contains no id. Both have at least `size` bytes.
    """
    other, client = {"prompt_id": str(uuid.uuid4())}, job.client_id
    state = {"value": 1, "max": 2, "state": "running", "node_id": NODE, **other, "display_node_id": NODE}
    nodes = {NODE: {**state, "parent_node_id": None, "real_node_id": NODE}}
    await sockets.send("progress_state", {**other, "nodes": nodes}, client)
    await sockets.send("progress", {"value": 1, "max": 2, **other, "node": NODE}, client)
    jpeg = preview_frame(Picture(8, 8, "somebody else's"), 0.5)
    jpeg += bytes(max(0, size - len(jpeg)))
    await sockets.send_preview(jpeg, None, client)
    metadata = {"node_id": NODE, **other, "image_type": "image/jpeg"}
    await sockets.send_preview(jpeg, metadata, client)
