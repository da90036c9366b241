"""What happens to an order? Its coroutine, its calls to the back end, and its rows and files on disk."""
