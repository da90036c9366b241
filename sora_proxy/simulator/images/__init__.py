"""Servers with OpenAI's Images API and their relatives, for trying profiles without them, and for the tests.

`profile.py` says what may differ, `self_hosted.py` and `hosted.py` how each server does. `orders.py` refuses what a
server refuses, `work.py` makes what was ordered, and `answers.py`, `chat.py` and `gemini.py` answer. It has the control
routes of every simulator: order faults at `/simulator/faults`, see the requests at `/simulator/stats`.
"""

from sora_proxy.simulator.images.options import ImagesOptions
from sora_proxy.simulator.images.server import create_images_simulator, serve_images_simulator

__all__ = ["ImagesOptions", "create_images_simulator", "serve_images_simulator"]
