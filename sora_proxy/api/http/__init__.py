"""The HTTP layer around every request: access, headers, bodies, and the formats of answers."""
