"""Which order gets which key, and when? Keys and their health, the queue of orders, and the pool that connects them."""
