"""Numbers only: the transform and its inverses, calibrations, steps, and decode tables."""
