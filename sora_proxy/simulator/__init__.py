"""Who answers if nobody else does? A server with Sora's web protocol, for demonstrations and for the tests.

Order faults at `/simulator/faults`, see what happened at `/simulator/stats`, wait for it at `/simulator/wait`.
"""

from sora_proxy.simulator.engine import Clocks
from sora_proxy.simulator.options import SimulatorOptions
from sora_proxy.simulator.server import create_simulator, serve_simulator
from sora_proxy.simulator.serving import RunningSimulator, listen

__all__ = ["Clocks", "RunningSimulator", "SimulatorOptions", "create_simulator", "listen", "serve_simulator"]
