"""Errors for attributes and operators of NumPy's arrays that a stored movie lacks.

A movie is read, not computed with: ``movie.mean(axis=0)`` or ``movie * 2`` would read all of it,
which may be more than the memory holds. dask does that block by block, NumPy on what was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MissingOperations"]


class MissingOperations:
    """A mixin whose missing attributes and operators raise errors that say what to use instead."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Callable[[], NoReturn]:
        """Refuse an attribute that is not there.

        Raises
        ------
        AttributeError
            It names dask and NumPy if arrays of NumPy have such an attribute.
        """
        # Before 3.1, pandas prints the values of what has a length, up to a hundred frames a movie,
        # and the repr of what has this too. (On the class, it would make the movie an iterator.)
        if name == "__next__":
            return self._refuse_next
        kind = type(self).__name__
        message = f"{kind!r} object has no attribute {name!r}"
        if not name.startswith("_") and hasattr(np.ndarray, name):
            call = "(...)" if callable(getattr(np.ndarray, name)) else ""
            message += (
                f"; a stored movie is read, not computed with. movie.dask().{name}{call} works "
                f"through it block by block, movie[:].{name}{call} reads it whole"
            )
        raise AttributeError(message, name=name, obj=self)

    def _refuse_next(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not an iterator; use iter(movie)")


def _refusing(symbol: str) -> Any:
    def refuse(self: Any, *others: Any) -> Any:
        if any(hasattr(other, "__array_priority__") for other in others):
            return NotImplemented  # arrays of NumPy, dask and others read the movie, and compute
        raise TypeError(
            f"{symbol!r} does not work on a {type(self).__name__}: a stored movie is read, not "
            "computed with. Use movie.dask(), or what you read of it, such as movie[:100]"
        )

    return refuse


OPERATORS = {
    **dict.fromkeys(("add", "radd", "pos"), "+"),
    **dict.fromkeys(("sub", "rsub", "neg"), "-"),
    **dict.fromkeys(("mul", "rmul"), "*"),
    **dict.fromkeys(("truediv", "rtruediv"), "/"),
    **dict.fromkeys(("floordiv", "rfloordiv"), "//"),
    **dict.fromkeys(("mod", "rmod"), "%"),
    **dict.fromkeys(("pow", "rpow"), "**"),
    **dict.fromkeys(("matmul", "rmatmul"), "@"),
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "invert": "~",
    "abs": "abs",
}
for _name, _symbol in OPERATORS.items():
    setattr(MissingOperations, f"__{_name}__", _refusing(_symbol))
