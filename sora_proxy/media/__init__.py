"""How are images read, converted and stored? Image files, their formats, and images at public addresses."""
