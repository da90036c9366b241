"""The common parts of all requests for images: the fields, the prompt, and the reference images."""
