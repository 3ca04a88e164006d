"""Copies of stored movies in the formats of other programs, one format a file."""
