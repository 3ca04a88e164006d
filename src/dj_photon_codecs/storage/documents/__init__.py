"""What describes a stored movie: ``.zarray``, ``.zattrs`` and its database row; their checks."""
