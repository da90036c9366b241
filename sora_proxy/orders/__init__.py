"""What becomes of an order? Its coroutine, its way to the back end and home again, and what of it is on disk."""
