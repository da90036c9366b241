"""`make bench`: the speed and the costs of the program, measured on real processes. Linux only, because of /proc.

`__main__` runs the parts one after the other and prints one table; each part returns its rows.
"""
