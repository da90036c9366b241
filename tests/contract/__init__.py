"""The contract of back ends: the behaviour required of each of them, whatever its protocol.

A back end takes part by one line in `stages.py`, which names it and a server that speaks its protocol. The toys are the
smallest back ends that there can be, one of each identity; each has one module here, and one line in `program.py`.
"""
