"""What do requests for images have in common? The fields, the prompt, and the reference image."""
