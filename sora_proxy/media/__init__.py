"""Images in and out: the files on disk, their format, and images fetched from public addresses."""
