"""Simulated servers with OpenAI's Images API or a related API, for tests, and to try profiles without a real server.

`profile.py` defines in which ways servers can differ, and `self_hosted.py` and `hosted.py` describe how each server
differs. `orders.py` reads and refuses orders, `work.py` makes the images, and `answers.py`, `chat.py` and `gemini.py`
send the answers. As with every simulator, tests inject faults through `/simulator/faults`, and read the received
requests from `/simulator/stats`.
"""

from sora_proxy.simulator.images.options import ImagesOptions
from sora_proxy.simulator.images.server import create_images_simulator, serve_images_simulator

__all__ = ["ImagesOptions", "create_images_simulator", "serve_images_simulator"]
