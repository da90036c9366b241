"""How do clients learn of the end of an order? By a message to an address that came with the order.

`outbox.py` stores one message per order, at its end. `deliverer.py` sends it, and repeats failed attempts.
"""
