"""Processes that are killed. `python -m tests.chaos` is the long run; the tests here are the short ones.

A server that is ended in every way, in front of a back end that knows what was really ordered: the simulator, a process
of its own, or a toy of `tests/contract`. What must hold is always the same: nothing lost, doubled, crossed or left
unfinished. Where a back end can't be searched, an order may also end as one of unknown outcome; what a back end lost
itself is counted apart.
"""
