"""What comes out: stored movies as arrays, and parts of them."""
