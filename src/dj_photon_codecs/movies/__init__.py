"""What goes in: camera movies, checks, and a movie a slab of frames at a time."""
