"""`make fresh`: both commands of the README, each on a Debian with nothing but Python, make and certificates.

`debian` makes these systems and enters them; `commands` runs a command in a system and measures it. Linux only, as
root.
"""
