"""The Images API: generations, edits and variations."""
