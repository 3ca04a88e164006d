"""The one channel, plane or array of a file that is meant: by number or name, or the only one."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["UndecidedError", "choose", "choose_array", "refuse_choices"]

LISTED = 12  # names in a message


class UndecidedError(ValueError):
    """A file does not say by itself which movie is meant, or in which format it is."""


def choose(what: str, names: Sequence[str], wanted: int | str | None, *, of: str) -> int:
    """Return the number of the channel, plane or data set that is wanted, or of the only one.

    Parameters
    ----------
    what : {"channel", "plane", "dataset"}
        The argument of `read_movie` that says which one is wanted.
    names : sequence of str
        Their names, in order.
    wanted : int, str or None
        Number, or name.
    of : str
        What has them, for messages.

    Raises
    ------
    UndecidedError
        If there are several and none is wanted, or there is none of that number or name.

    Examples
    --------
    >>> choose("channel", ["green", "red"], "red", of="movie.tif")
    1
    >>> choose("channel", ["G", "R"], None, of="a.tif")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ...
    UndecidedError: a.tif holds 2 channels, 0 ('G') and 1 ('R'); say channel=0
    """
    if wanted is None and len(names) == 1:
        return 0
    if isinstance(wanted, str) and list(names).count(wanted) == 1:
        return list(names).index(wanted)
    if isinstance(wanted, bool) or not isinstance(wanted, SupportsIndex):
        number = -1
    else:
        number = index(wanted)  # of NumPy, too
    if 0 <= number < len(names):
        return number
    got = "" if wanted is None else f"{what} is {wanted!r}, and "
    raise UndecidedError(f"{got}{of} holds {_listed(what, names)}; say {what}=0")


def _listed(what: str, names: Sequence[str]) -> str:
    numbered = [
        str(number) if name == str(number) else f"{number} ({name!r})"
        for number, name in enumerate(names[:LISTED])
    ]
    more = ", ..." if len(names) > LISTED else ""
    listed = " and ".join(filter(None, [", ".join(numbered[:-1]), numbered[-1]]))
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}, {listed}{more}"


def choose_array(names: Sequence[str], wanted: int | str | None, *, of: str) -> int:
    """Return the number of the array that is wanted, or of the only one.

    Raises
    ------
    ValueError
        If there is none; if there are several, and none of them is wanted.
    """
    if not names:
        raise ValueError(f"{of} holds no movie, an array of numbers of 3 dimensions or more")
    return choose("dataset", names, wanted, of=of)


def refuse_choices(of: object, **choices: Any) -> None:
    """Refuse a choice among what a kind of file does not have.

    Raises
    ------
    ValueError
        If one is not None.
    """
    for what, wanted in choices.items():
        if wanted is not None:
            raise ValueError(f"{what} is {wanted!r}, but {of} holds no {what}s; leave it out")
