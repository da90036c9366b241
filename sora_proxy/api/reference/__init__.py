"""The API's document: what each route takes and returns, for programs and for people."""
