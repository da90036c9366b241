"""What do operators see and change? The audit log, the usage of keys, sessions, and options that change at run time."""
