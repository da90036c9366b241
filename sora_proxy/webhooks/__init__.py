"""How do clients learn that an order has ended? By a message to an address that came with the order.

`outbox.py` stores one message per order when the order ends. `deliverer.py` sends it, and repeats failed attempts.
"""
