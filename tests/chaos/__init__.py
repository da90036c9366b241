"""Kills of a running server. `python -m tests.chaos` is the long run; the tests in this folder are the short run.

A server is ended in many ways. Its back end, such as the simulator or a toy of `tests/contract`, is not killed with
it, and records what was really ordered. The requirement is always the same: no order is lost, made twice, answered with
another order's image, or unfinished at the end. If a back end can't be searched for an order, the order may also end
with an unknown outcome. Orders that the back end itself lost are counted separately.
"""
