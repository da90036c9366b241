"""The part of the Responses API that makes images."""
