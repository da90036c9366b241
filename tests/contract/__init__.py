"""The contract of back ends: the behaviour required of each of them, whatever its protocol.

One line in `stages.py` adds a back end, with a server that speaks its protocol. The toys are the smallest possible back
ends, one of each identity. Each toy has one module and one line in `toys`.
"""
