"""Simulated servers with OpenAI's Images API or a related API, for tests, and to try profiles without a real server.

`profile.py` lists the possible differences, and `self_hosted.py` and `hosted.py` contain the differences of each
server. `orders.py` reads and refuses orders, `work.py` makes the images, and `answers.py`, `chat.py` and `gemini.py`
answer. As with every simulator, `/simulator/faults` takes requests for faults, and `/simulator/stats` shows the
requests.
"""

from sora_proxy.simulator.images.options import ImagesOptions
from sora_proxy.simulator.images.server import create_images_simulator, serve_images_simulator

__all__ = ["ImagesOptions", "create_images_simulator", "serve_images_simulator"]
