"""Movies in files, opened by the libraries of their formats."""
