"""Whole tables of movies: what needs DataJoint and goes through rows."""
