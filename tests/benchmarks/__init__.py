"""`make bench`: what the program costs and how fast it is, measured on real processes. Linux only (it reads /proc).

`__main__` runs the parts one after the other and prints one table; each part returns its rows.
"""
