"""Where do images come from, and where do they go? The files on disk, their format, and images by public address."""
