"""Processes that are killed. `python -m tests.chaos` is the long run; the tests here are the short ones.

A server is ended in every way, in front of a back end that knows what was really ordered: the simulator, a process of
its own, or a toy of `tests/contract`. The requirement is always the same: no order is lost, doubled, crossed or left
unfinished. If a back end can't be searched, an order may also end with an unknown outcome. Orders that the back end
itself lost are counted apart.
"""
