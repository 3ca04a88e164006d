"""Chunks whose pixels are predicted from the frames before and from pixels of their own frame."""
