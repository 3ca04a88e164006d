"""The command `dj-photon`: each of its verbs calls a public function, and prints what it returns.

What a verb needs is imported when it runs, so that help and completion come at once.
"""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

try:
    from typer import Argument, Context, Exit, Option, Typer, echo
except ImportError as missing:
    sys.stderr.write(f"dj-photon needs {missing.name}: pip install 'dj-photon-codecs[cli]'\n")
    raise SystemExit(3) from None

if TYPE_CHECKING:
    from dj_photon_codecs.arrays.photon_array import PhotonArray

__all__ = ["app", "main"]

DAMAGE, WRONG_USE, FAILURE = 1, 2, 3
ENDINGS = {"tiff": ".tif", "h5": ".h5", "ome-zarr": ".zarr", "nwb": ".nwb"}
OF_THE_SERVER = ("information_schema", "mysql", "performance_schema", "sys")
KINDS = {"h5": "hdf5"}  # what `export` calls them

app = Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Files = Annotated[list[str], Argument(help="What read_movie opens, or one stored movie.")]
Stored = Annotated[str, Argument(metavar="PATH-OR-URL", help="Directory of a stored movie.")]
AsJson = Annotated[bool, Option("--json", help="Print JSON.")]


def _chosen(of: str) -> Any:
    """Declare an option by which one of several is chosen, as `read_movie` takes it."""
    return Option(parser=_number_or_name, metavar="NUMBER|NAME", help=f"Which {of} of several.")


def _number_or_name(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


Channel = Annotated[Any, _chosen("channel")]
Plane = Annotated[Any, _chosen("plane")]
Dataset = Annotated[Any, _chosen("dataset")]


def main() -> None:
    """Run the command."""
    os.environ["DJ_LOG_STREAM"] = "stderr"  # DataJoint's log does not belong into JSON
    app(prog_name="dj-photon")


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        import dj_photon_codecs as photon

        echo(photon.__version__)
        raise Exit(0)


@app.callback()
def _options(
    context: Context,
    *,
    debug: Annotated[bool, Option("--debug", help="Show tracebacks.")] = False,
    quiet: Annotated[bool, Option("--quiet", help="Show no progress.")] = False,
    modules: Annotated[
        list[str] | None,
        Option("--import", metavar="MODULE", help="Import first: defines types of columns."),
    ] = None,
    version: Annotated[  # noqa: ARG001
        bool, Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Movies of `<photon@>` columns, before and after they are stored.

    Exit codes: 0 all is well; 1 damage was found, or rows failed; 2 wrong use; 3 a file, a store
    or the database failed, or a library is missing.

    The keys to an S3 store are those of the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    AWS_ENDPOINT_URL) or of fsspec's configuration. The database, and the stores of its tables, are
    those of DataJoint's configuration.
    """
    context.obj = debug
    if quiet:
        import dj_photon_codecs as photon

        photon.set_progress(None)
    for name in modules or ():
        sys.path.insert(0, "")  # as `python -m` does: a module may lie in this folder
        try:
            import_module(name)
        except BaseException as error:
            if not isinstance(error, Exception):
                raise
            _end(f"--import {name}: {type(error).__name__}", error, WRONG_USE, debug=debug)


def _verb(function: Callable[..., None]) -> None:
    """Make a verb of a function, whose errors are said in a sentence."""

    @wraps(function)
    def run(context: Context, **given: Any) -> None:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            try:
                function(context, **given)
            except BaseException as error:
                if isinstance(error, Exit) or not isinstance(error, Exception):
                    raise
                code = WRONG_USE if isinstance(error, ValueError | TypeError) else FAILURE
                _end(context.info_name, error, code, debug=context.obj)

    app.command(function.__name__.strip("_"))(run)


def _end(what: str | None, error: Exception, code: int, *, debug: bool) -> NoReturn:
    """Say an error in a sentence, after its traceback if that was asked for, and end."""
    if debug:
        traceback.print_exc()
    echo(f"dj-photon {what}: {error}", err=True)
    raise Exit(code) from None


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    echo(f"warning: {message}", err=True)


def _print(found: Any, plain: Any, *, as_json: bool) -> None:
    echo(json.dumps(plain, indent=1) if as_json else found)


@_verb
def report(  # noqa: PLR0913
    context: Context,  # noqa: ARG001
    *,
    files: Files,
    camera: Annotated[
        bool, Option("--calibrate", help="The values are of a camera: calibrate them first.")
    ] = False,
    codec: Annotated[str | None, Option(help="Type of the column, such as photon_dense.")] = None,
    channel: Channel = None,
    plane: Plane = None,
    dataset: Dataset = None,
    as_json: AsJson = False,
) -> None:
    """Say what a movie would cost, stored exactly or in steps of its noise.

    `dj-photon report movie_*.tif --calibrate`
    """
    import dj_photon_codecs as photon
    from dj_photon_codecs.views.camera_units import camera_units

    movie = _opened(files, channel=channel, plane=plane, dataset=dataset)
    calibration = photon.calibrate(_raw(movie)) if camera else None
    found = photon.report(movie, calibration, codec=codec)
    _print(found, [vars(cost) for cost in found.costs], as_json=as_json)
    if not camera and (words := camera_units(movie)):
        _warn(words)


@_verb
def calibrate(  # noqa: PLR0913
    context: Context,  # noqa: ARG001
    *,
    files: Files,
    offset: Annotated[float | None, Option(help="Mean of a dark frame, in ADU.")] = None,
    plot: Annotated[Path | None, Option(help="Draw the photon transfer curve there.")] = None,
    channel: Channel = None,
    plane: Plane = None,
    dataset: Dataset = None,
    as_json: AsJson = False,
) -> None:
    """Find gain, offset and read noise of a camera in the noise of a movie.

    `dj-photon calibrate movie.tif --plot curve.png`
    """
    import dj_photon_codecs as photon

    if plot is not None:
        from dj_photon_codecs.views.transfer_curve import check_picture

        check_picture(plot)
    movie = _opened(files, channel=channel, plane=plane, dataset=dataset)
    found = photon.calibrate(_raw(movie), offset=offset)
    names = ("gain", "offset", "variance")
    values = {name: getattr(found, name) for each in names for name in (each, f"{each}_stderr")}
    _print(found, values, as_json=as_json)
    if plot is not None:
        found.plot().get_figure(root=True).savefig(plot)  # type: ignore[union-attr]


@_verb
def inspect(context: Context, *, path: Stored, as_json: AsJson = False) -> None:  # noqa: ARG001
    """Say what a stored movie is, by its documents; no chunk is read.

    `dj-photon inspect s3://bucket/calcium/.../movie_x7Ab3Zq9.zarr`
    """
    import dj_photon_codecs as photon

    said = _described(photon.open_stored(path))
    lines = (f"{name.replace('_', ' '):<15} {_in_words(value)}" for name, value in said.items())
    _print("\n".join(lines), said, as_json=as_json)


@_verb
def verify(
    context: Context,  # noqa: ARG001
    *,
    target: Annotated[
        str, Argument(metavar="PATH-OR-URL|SCHEMA.TABLE", help="One stored movie, or a table.")
    ],
    jobs: Annotated[int, Option(min=1, help="Processes that read the movies of a table.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Read all chunks of a movie, or of all movies of a table, and name the damaged ones.

    `dj-photon verify calcium_imaging.Recording --jobs 4`
    """
    import dj_photon_codecs as photon

    if "/" in target or Path(target).exists():
        faults = photon.open_stored(target).verify()
        words = f"not as they were written: {', '.join(faults)}" if faults else "all is well"
        _print(words, {"faults": faults}, as_json=as_json)
        raise Exit(DAMAGE if faults else 0)
    found = photon.verify(_table(target), processes=jobs)
    _print(found, found.to_dict(), as_json=as_json)
    raise Exit(DAMAGE if found.damaged else 0)


@_verb
def export(  # noqa: PLR0913
    context: Context,  # noqa: ARG001
    *,
    path: Stored,
    to: Annotated[str, Option(help=f"One of {', '.join(ENDINGS)}.")],
    output: Annotated[Path | None, Option(help="Where; by default here, by its name.")] = None,
    photons: Annotated[bool, Option("--photons", help="Photons in place of raw values.")] = False,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace what is there.")] = False,
    axes: Annotated[str | None, Option(help="Such as tzyx, if there are more than three.")] = None,
    frame_rate: Annotated[float | None, Option(help="Per second; NWB needs it.")] = None,
    start: Annotated[
        datetime | None, Option(help="Start of the session; NWB needs it. UTC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy a stored movie to a file of another format.

    `dj-photon export movie_x7Ab3Zq9.zarr --to tiff --photons`
    """
    import dj_photon_codecs as photon

    if to not in ENDINGS:
        raise ValueError(f"--to is {to!r}; it must be one of {', '.join(ENDINGS)}")
    if to == "nwb" and None in (frame_rate, start):
        raise ValueError("NWB needs both --frame-rate and --start, such as --start 2026-01-31")
    if output is None:
        output = Path(path.rstrip("/").rpartition("/")[2]).with_suffix(ENDINGS[to])
    session = {} if start is None else {"session_start_time": start.replace(tzinfo=UTC)}
    written = photon.export(
        photon.open_stored(path),
        output,
        values="photons" if photons else "raw",
        kind=KINDS.get(to, to),
        overwrite=overwrite,
        axes=axes,
        frame_rate=frame_rate,
        session=session,
    )
    _print(written, {"path": str(written)}, as_json=as_json)


@_verb
def migrate(
    context: Context,  # noqa: ARG001
    *,
    old: Annotated[str, Argument(metavar="OLD", help="SCHEMA.TABLE with the movies.")],
    new: Annotated[str, Argument(metavar="NEW", help="SCHEMA.TABLE to insert into.")],
    attribute: Annotated[str, Option(help="The attribute that holds the movie.")] = "movie",
    dry_run: Annotated[
        bool, Option("--dry-run", help="Move nothing; say what it would cost.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move the movies of a table to one with a photon column, each read back and compared.

    `dj-photon migrate lab.OldRecording lab.Recording --dry-run`
    """
    import dj_photon_codecs as photon

    done = photon.migrate(_table(old), _table(new), attribute, dry_run=dry_run)
    _print(done, done.to_dict(), as_json=as_json)
    raise Exit(DAMAGE if done.failed else 0)


@_verb
def gc(  # noqa: PLR0913
    context: Context,  # noqa: ARG001
    *,
    schemas: Annotated[list[str], Argument(metavar="SCHEMA...", help="Names of schemas.")],
    delete: Annotated[bool, Option("--delete", help="Delete what is due; else look only.")] = False,
    days: Annotated[
        float, Option(min=0, max=36500, help="Longer than any insert takes; an hour is 0.042.")
    ] = 7.0,
    nothing_inserts: Annotated[
        bool, Option("--nothing-inserts", help="Nothing does, anywhere: --days may be 0.")
    ] = False,
    store: Annotated[str | None, Option(help="The one store to look at.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find the movies to which no row refers, and delete those that were so for long.

    `dj-photon gc calcium_imaging --delete`
    """
    import dj_photon_codecs as photon

    chosen = [_schema(name) for name in schemas]
    how: dict[str, Any] = {
        "dry_run": not delete,
        "store": store,
        "nothing_inserts": nothing_inserts,
    }
    found = photon.collect(*chosen, grace=timedelta(days=days), **how)
    _print(found, found.to_dict(), as_json=as_json)


def _opened(files: list[str], **chosen: Any) -> Any:
    """Open files of other programs, or one stored movie."""
    import dj_photon_codecs as photon

    if len(files) == 1 and _is_stored(files[0]):
        return photon.open_stored(files[0])
    return photon.read_movie(files[0] if len(files) == 1 else files, **chosen)


def _is_stored(place: str) -> bool:
    """Whether it is a URL, or the directory of a stored movie and not of another Zarr array."""
    attributes = Path(place, ".zattrs")
    return "://" in place or (
        attributes.is_file() and b'"codec_version"' in attributes.read_bytes()
    )


def _raw(movie: Any) -> Any:
    return getattr(movie, "raw", movie)


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return "none" if value is None else str(value)


def _described(movie: PhotonArray) -> dict[str, Any]:
    from dj_photon_codecs.storage.documents.description import NAMES

    documents = movie.movie_store.documents
    zattrs, calibration = documents["zattrs"], movie.calibration
    size, original = zattrs.get("stored_bytes"), zattrs.get("original_dtype", "float64")
    raw = movie.nbytes // 8 * movie.raw.dtype.itemsize if "original_dtype" in zattrs else None
    return {
        "shape": list(movie.shape),
        "dtype": original,
        "chunks": list(movie.chunks),
        "codec": f"{zattrs.get('codec_name')} {zattrs['codec_version']}",
        "gain": calibration.gain,
        "offset": calibration.offset,
        "variance": calibration.variance,
        "step": movie.step,
        "bits_per_pixel": size and round(8 * size / math.prod(movie.shape), 3),
        "ratio": size and raw and round(raw / size, 2),
        "written_by": zattrs.get("written_by"),
        "documents": f"{' and '.join(NAMES)} agree with each other",
        "checksums": len(zattrs.get("crc32c", "")) // 8,
    }


def _table(name: str) -> Any:
    """Return a table of the database by its name, ``schema.Table`` or ``schema.Table.Part``."""
    from datajoint.errors import DataJointError

    schema_name, _, table = name.partition(".")
    if not schema_name or not table:
        raise ValueError(f"{name!r} is no table; write SCHEMA.TABLE, such as lab.Recording")
    schema, is_class = _schema(schema_name), table[0].isupper()
    try:
        return schema.get_table(table.replace(".", "_" if is_class else "__"))  # a part table
    except DataJointError:
        known = ", ".join(schema.list_tables()) or "none"
        raise ValueError(f"{name!r} is no table; those of {schema_name} are {known}") from None


def _schema(name: str) -> Any:
    import datajoint as dj

    if name not in (there := dj.list_schemas()):
        ours = [each for each in there if not each.startswith("pg_") and each not in OF_THE_SERVER]
        raise ValueError(
            f"{name!r} is no schema of the database, which has {', '.join(ours) or 'none'}"
        )
    return dj.Schema(name, create_schema=False)


if __name__ == "__main__":
    main()
