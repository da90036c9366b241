"""Chat completions: `POST /v1/chat/completions` and all that follows from it."""
