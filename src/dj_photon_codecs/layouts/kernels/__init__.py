"""The inner loops of the layouts: in C, and the same in NumPy, which defines their results."""
