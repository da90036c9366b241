"""Who gets which key, when? Keys and their health, the queue of orders, and the pool that brings both together."""
