"""The Responses API, as far as it makes images."""
