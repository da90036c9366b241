"""Frames that are not about the job of the client that gets them."""

import uuid

from sora_proxy.simulator.comfyui.jobs import Job
from sora_proxy.simulator.comfyui.pictures import Picture, preview_frame
from sora_proxy.simulator.comfyui.sockets import Sockets

NODE = "3"


async def send_foreign_frames(sockets: Sockets, job: Job, size: int) -> None:
    """Send progress of a job that was submitted elsewhere without a client_id, and a preview of at least `size` bytes.

    The preview is one without an id in it, and one with the id of that other job.
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
