"""Which back ends are there? Those of the configuration, and those that operators added while the server runs."""
