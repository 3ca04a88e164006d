"""From codes to the bytes of a chunk, and back."""
