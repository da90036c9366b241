"""Back ends of the tests' own, one of each identity."""
