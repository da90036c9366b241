"""What surrounds a request: access, headers, bodies, and the forms in which answers leave."""
