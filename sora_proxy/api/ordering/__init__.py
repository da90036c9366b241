"""What all requests for images have in common: the fields, the prompt and the reference images."""
