"""Which back ends are there? The back ends of the configuration, and those that operators add while the server is
running."""
