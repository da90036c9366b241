"""Which back ends are there? Those of the configuration, and those that operators add while the server runs."""
