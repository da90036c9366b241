"""Chat completions: ordering them, streaming them, and access to stored ones."""
