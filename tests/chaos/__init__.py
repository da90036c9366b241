"""Processes that are killed. `python -m tests.chaos` is the long run; the tests here are the short ones.

Real processes on both sides: a simulator, which knows what was really ordered, and a server in front of it, which is
ended in every way. What must hold is always the same: nothing lost, doubled, crossed or left unfinished.
"""
