"""Factors of a sweep, and the cells of its design."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from reaudio_eval.clips.sampling import Given, Sampling
from reaudio_model.common.errors import ReaudioError, one_of

Design = Literal["star", "grid"]
DESIGNS: tuple[Design, ...] = get_args(Design)
MAX_VALUES = 100  # of a factor
GIVEN: tuple[Given, ...] = get_args(Given)
Value = int | float | str


@dataclass(frozen=True)
class Factor:
    """Something that can be varied.

    Attributes:
        name: of ``--over``, and the field of :class:`Settings`.
        title: for people.
        read: text -> value.
        numeric: whether values lie on a scale; else they are categories.
        chance: whether its values are draws of one thing (seeds, captions), so that none of them can be the best.
    """

    name: str
    title: str
    read: Callable[[str], Value]
    numeric: bool = True
    chance: bool = False


@dataclass(frozen=True, order=True)
class Settings:
    """All settings of a cell; k 0 and retrieval "none" go together, see :func:`canonical`."""

    k: int
    steps: int
    guidance: float
    retrieval: Given
    seed: int
    captions: int
    candidates: int = 1

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.steps, self.guidance, self.k, self.retrieval, self.candidates)

    @property
    def cost(self) -> float:
        """Calls of the denoiser for one clip: what its time goes with. Guidance 0 and 1 ask one question a step, others two."""
        return self.candidates * self.steps * (1 if self.guidance in (0.0, 1.0) else 2)

    def values(self) -> dict[str, Value]:
        """Factor -> value."""
        return {name: getattr(self, name) for name in FACTORS}


@dataclass(frozen=True)
class Cell:
    """One system of a sweep. reference: the setting that all others are compared with."""

    name: str
    settings: Settings
    reference: bool = False


@dataclass(frozen=True)
class Axis:
    """A factor, and the cells in which it alone is varied, by its value, in order; the reference's among them."""

    factor: Factor
    points: tuple[tuple[Value, Cell], ...]


def _whole(lowest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < lowest:
            raise ValueError(f"is not a whole number from {lowest}")
        return int(text)

    return read


def _steps(text: str) -> int:
    n = _whole(1)(text)
    if n > 999:
        raise ValueError("is more than 999, the steps there are")
    return n


def _scale(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1000:
        raise ValueError("is not a number from 0 to 1000")
    return value


def _retrieval(text: str) -> str:
    return one_of("retrieval", text, GIVEN)


FACTORS: Mapping[str, Factor] = {
    factor.name: factor
    for factor in (
        Factor("k", "retrieved pairs (k)", _whole(0)),
        Factor("steps", "denoising steps", _steps),
        Factor("guidance", "guidance scale", _scale),
        Factor("retrieval", "what is given of the retrieved pairs", _retrieval, numeric=False),
        Factor("candidates", "candidates of each clip", _whole(1)),
        Factor("seed", "seed", _whole(0), numeric=False, chance=True),
        Factor("captions", "caption of each clip", _whole(1), numeric=False, chance=True),
    )
}


def show(value: Value) -> str:
    """As in names: "3", "2.5", "audio"."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def parse_over(given: str | Sequence[str] | Mapping[str, Any]) -> dict[str, tuple[Value, ...]]:
    """``["k=0,1,3", "captions=1..5"]``, or a mapping from factor to value or values, as factor -> values.

    Values are sorted (retrieval: least first), each once.

    Raises:
        ReaudioError: no "=", no value, a factor given twice, a value that the factor does not have, a range that runs backwards.
        UnknownNameError: no such factor, or no such retrieval.
    """
    if isinstance(given, Mapping):
        given = [f"{name}={_listed(values)}" for name, values in given.items()]
    options = [given] if isinstance(given, str) else given
    if not isinstance(options, list | tuple) or not all(isinstance(option, str) for option in options):
        raise ReaudioError(f"--over {given!r} must have the form NAME=V1,V2, or be a mapping of names to values.")
    found: dict[str, tuple[Value, ...]] = {}
    for option in options:
        name, equals, listed = option.partition("=")
        name = name.strip()
        if not equals or not listed.strip():
            raise ReaudioError(f"--over {option!r} must have the form NAME=V1,V2 or NAME=1..5.")
        factor = FACTORS[one_of("factor", name, FACTORS)]
        if name in found:
            raise ReaudioError(f"--over names {name} twice: give all its values at once.")
        found[name] = _sorted(factor, _values(factor, listed))
    return found


def _listed(values: Any) -> str:
    several = isinstance(values, Iterable) and not isinstance(values, str)
    return ",".join(map(show, sorted(values) if isinstance(values, set | frozenset) else values if several else (values,)))


def _values(factor: Factor, listed: str) -> Iterator[Value]:
    for part in (p.strip() for p in listed.split(",")):
        try:
            low, dots, high = part.partition("..")
            if dots and factor.name != "retrieval":
                yield from _range(factor, low, high)
            else:
                yield factor.read(part)
        except ValueError as error:
            raise ReaudioError(f"--over {factor.name}={listed}: {part!r} {error}.") from error


def _range(factor: Factor, low: str, high: str) -> Iterator[Value]:
    first, last = _whole(0)(low), _whole(0)(high)
    if first > last:
        raise ValueError("runs backwards")
    if last - first >= MAX_VALUES:
        raise ValueError(f"has more than {MAX_VALUES} values")
    return (factor.read(str(n)) for n in range(first, last + 1))


def _sorted(factor: Factor, values: Iterator[Value]) -> tuple[Value, ...]:
    order: Any = GIVEN.index if factor.name == "retrieval" else None
    return tuple(sorted(dict.fromkeys(values), key=order))


def canonical(settings: Settings) -> Settings:
    """Without pairs nothing of them is given, and the reverse: one cell, however it was asked for."""
    if settings.k == 0 or settings.retrieval == "none":
        return replace(settings, k=0, retrieval="none")
    return settings


def plan_cells(
    model: str, over: Mapping[str, tuple[Value, ...]], start: Settings, design: Design
) -> tuple[tuple[Cell, ...], tuple[Axis, ...]]:
    """The cells, the reference first, and the axes of the curves.

    star: the reference is ``start``, and each value of each factor is a cell with everything else as in the reference.
    grid: every combination of the values. The reference is the one nearest to ``start``: its value of a factor if that is among the
    values, else the nearest number or the last category.

    Args:
        model: name of the reference; the other cells are called after what differs, "re-audioldm-l k=1".
        over: of :func:`parse_over`.
        start: settings without ``--over``.
        design: see above.

    Raises:
        ReaudioError: nothing differs between the cells.
    """
    if design == "grid":
        start = _changed(start, {name: _nearest(values, start.values()[name]) for name, values in over.items()})
        combined = [dict(zip(over, each, strict=True)) for each in itertools.product(*over.values())]
    else:
        combined = [{name: value} for name, values in over.items() for value in values]
    reference = canonical(start)
    settings = dict.fromkeys([reference, *(canonical(_changed(start, each)) for each in combined)])
    if len(settings) == 1:
        hint = " (with k 0 or retrieval none nothing of the pairs is given)" if {"k", "retrieval"} & set(over) else ""
        raise ReaudioError(
            f"All values of --over give the same cell, {describe(reference)}: give at least two values that differ{hint}."
        )
    cells = {each: Cell(_name(model, each, reference), each, each == reference) for each in settings}
    axes = [Axis(FACTORS[name], _points(FACTORS[name], values, start, cells)) for name, values in over.items()]
    return tuple(cells.values()), tuple(axes)


def _changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    return replace(settings, **values)


def _nearest(values: Sequence[Value], wanted: Value) -> Value:
    if wanted in values or isinstance(wanted, str):
        return wanted if wanted in values else values[-1]
    return min(values, key=lambda v: abs(float(v) - float(wanted)))


def _points(
    factor: Factor, values: Sequence[Value], start: Settings, cells: Mapping[Settings, Cell]
) -> tuple[tuple[Value, Cell], ...]:
    listed = _sorted(factor, iter((*values, start.values()[factor.name])))
    return tuple((v, cells[canonical(_changed(start, {factor.name: v}))]) for v in listed)


def _name(model: str, settings: Settings, reference: Settings) -> str:
    given, usual = settings.values(), reference.values()
    differing = [name for name in FACTORS if given[name] != usual[name]]
    if settings.k == 0:
        differing = [name for name in differing if name != "retrieval"]  # "k=0" says it
    return " ".join([model, *(f"{name}={show(given[name])}" for name in differing)])


def describe(settings: Settings) -> str:
    """ "k 3, steps 12, guidance 5, retrieval audio+text, candidates 1, seed 0, captions 1"."""
    return ", ".join(f"{name} {show(value)}" for name, value in settings.values().items())


def check_factors(
    model: str, over: Mapping[str, tuple[Value, ...]], defaults: Sampling, choices: Sequence[str], candidates: bool
) -> None:
    """Refuse factors and values that the model does not have.

    Args:
        model: its name.
        over: of :func:`parse_over`.
        defaults: of the model.
        choices: what it can be given of retrieved pairs (``config.given_choices``).
        candidates: whether it can choose among several clips of each prompt.

    Raises:
        ReaudioError: it retrieves nothing, has no steps, makes one clip of each prompt, or was trained to read less than is to be given.
    """
    for name in ("k", "retrieval"):
        if name in over and not choices:
            raise ReaudioError(f"{model} retrieves nothing, so --over {name} has no effect: leave it out.")
    if "steps" in over and defaults.steps is None:
        raise ReaudioError(f"{model} has no denoising steps, so --over steps has no effect: leave it out.")
    if "candidates" in over and not candidates:
        raise ReaudioError(f"{model} makes one clip of each prompt, so candidates have no effect: leave them out.")
    for value in over.get("retrieval", ()):
        if value not in choices:
            raise ReaudioError(
                f"{model} was trained to read {defaults.retrieval} of the retrieved pairs, so it cannot be given {value}: "
                f"choose among {', '.join(choices)}."
            )
