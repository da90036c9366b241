"""`make fresh`: runs both commands of the README on Debian systems with nothing but Python, make and certificates.

`debian` creates these systems and enters them; `commands` runs a command in a system and measures it. Linux only, as
root.
"""
