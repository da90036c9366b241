"""Who hears that an order has ended? Messages to addresses that came with orders: what is to be sent, and sending it.

`outbox.py` decides what is sent: one message per order, at its end. `deliverer.py` sends it, again if need be.
"""
