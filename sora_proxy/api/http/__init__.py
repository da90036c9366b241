"""The layer around every request: access, headers, bodies, and the forms of answers."""
