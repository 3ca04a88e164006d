"""What is wrong with one stored movie; without DataJoint, for processes that know none of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dj_photon_codecs.layouts.threads import WAITING, in_threads
from dj_photon_codecs.storage.movie_store import MovieNotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Fault", "Finding", "fault_of", "faults_of", "key_in_words", "plain_key", "told"]

Problem = Literal["row", "missing", "damaged", "unreached"]

LONGEST = 600  # characters of a message


class Fault(NamedTuple):
    """What is wrong with a movie: see `Finding`."""

    problem: Problem
    parts: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Finding:
    """A movie of a table that is not as it was written.

    Attributes
    ----------
    key : dict
        The primary key of its row.
    attribute : str
        The attribute that holds it.
    problem : str
        ``"row"``: what the database holds is no movie, or was changed. ``"missing"``: nothing of
        the movie is on the store. ``"damaged"``: some of its files are missing or were changed.
        ``"unreached"``: the store refuses it, or cannot be reached; it may be sound.
    parts : tuple of str
        The files of a damaged movie, as `PhotonArray.verify` names them.
    message : str
        In words.
    """

    key: dict[str, Any]
    attribute: str
    problem: str
    parts: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        return f"{key_in_words(self.key)}, {self.attribute}: {self.problem}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Return what is above; values of the key that JSON lacks, such as dates, as text."""
        return {**asdict(self), "key": plain_key(self.key), "parts": list(self.parts)}


def key_in_words(key: dict[str, Any]) -> str:
    """Return a primary key as people write it, ``session=3, scan=1``."""
    return ", ".join(f"{name}={value}" for name, value in key.items())


def plain_key(key: dict[str, Any]) -> dict[str, Any]:
    """Return a primary key with values that JSON knows, all others as text."""
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in key.items()
    }


def faults_of(values: Sequence[Any]) -> list[Fault | None]:
    """Read movies, several at a time, and return what is wrong with each; None if nothing is.

    None in the place of a movie has no fault; a `Fault` there is its own.
    """
    return in_threads(_fault, values, most=WAITING)


def _fault(value: Any) -> Fault | None:
    if isinstance(value, Fault):
        return value
    try:
        parts = () if value is None else tuple(value.verify())
    except (ArithmeticError, LookupError, MemoryError, OSError, TypeError, ValueError) as error:
        return fault_of(error)
    if not parts:
        return None
    named = ", ".join(parts[:8]) + (", ..." if len(parts) > 8 else "")
    return Fault("damaged", parts, f"missing or damaged: {named}")


def told(error: BaseException) -> str:
    """Return what an error says, with its kind, and not all of a long one."""
    return f"{type(error).__name__}: {error}"[:LONGEST]


def fault_of(error: BaseException) -> Fault:
    """Return what an error of decoding or reading a movie says of it."""
    kinds: dict[type, Problem] = {MovieNotFoundError: "missing", OSError: "unreached"}
    problem: Problem = next((kinds[kind] for kind in kinds if isinstance(error, kind)), "row")
    return Fault(problem, (), str(error)[:LONGEST] or type(error).__name__)
