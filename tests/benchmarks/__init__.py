"""`make bench`: measures the speed and the cost of the program with real processes. Linux only, because of /proc.

`__main__` runs the parts one after the other and prints one table; each part returns its rows.
"""
