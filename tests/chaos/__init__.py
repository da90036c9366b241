"""Processes that are killed. `python -m tests.chaos` is the long run; the tests in this folder are the short run.

A server is ended in many ways, in front of a back end that records what was really ordered: the simulator, which is a
process of its own, or a toy of `tests/contract`. The requirement is always the same: no order is lost, made twice,
answered with another order's image, or unfinished at the end. If a back end can't be searched, an order may also end
with an unknown outcome. Orders that the back end itself lost are counted separately.
"""
