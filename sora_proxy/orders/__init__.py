"""What happens to an order? This folder runs its coroutine, calls its back end, and keeps its rows and files."""
