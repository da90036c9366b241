"""How do we deal with strangers? HTTP to public addresses, and what their answers hold, within bounds."""
