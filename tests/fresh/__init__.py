"""`make fresh`: both commands of the README, each on a Debian with nothing but Python, make and certificates.

`debian` makes such systems and enters them; `commands` runs a command in one and measures it. Linux only, as root.
"""
