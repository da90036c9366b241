"""Chat completions: the routes that order images, the streams, and access to stored completions."""
