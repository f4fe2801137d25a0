"""Checks of options of systems before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reaudio_eval import plugins
from reaudio_eval.clips.collect import SystemRequest, check_names
from reaudio_eval.clips.models import Fetch
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.evaluations.options import Measures, Systems
from reaudio_eval.scores.external.scores import ExternalScores, check_computed
from reaudio_eval.scores.score import NamedMetric
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import option_fields


def check_weights(dataset: str, systems: Systems, sampling: Sampling, fetch: Fetch) -> None:
    """Refuse weights, index and sampling options that no model uses, and models that cannot run on the dataset.

    Args:
        dataset: registered name.
        systems: of the request.
        sampling: as asked for.
        fetch: where published weights may come from.

    Raises:
        ReaudioError: naming the first such option or model.
    """
    for name in systems.weights:
        if name not in systems.models:
            raise ReaudioError(f"--weights names {name!r}, which is no --model of this command.")
    models = {name: systems.weights.get(name) for name in systems.models}
    for name, weights in models.items():
        check_model(dataset, name, weights, fetch)
    if systems.index is not None and not any(_retrieves(dataset, name, weights) for name, weights in models.items()):
        raise ReaudioError("--index has no effect: no --model of this command retrieves from it. Leave it out.")
    check_sampling(dataset, sampling, models)
    for name, weights in models.items():
        check_index(dataset, name, weights, systems.index, sampling)


def _retrieves(dataset: str, model: str, weights: Path | None) -> bool:
    """Whether a model retrieves from the user's index."""
    if not plugins.load("models", model).takes_index(weights):
        return False
    own = plugins.load("models", model).defaults(dataset, weights, plugins.find("models", model).variant)
    return own is not None and own.retrieval not in (None, "none")


def check_index(dataset: str, model: str, weights: Path | None, index: Path | None, sampling: Sampling) -> None:
    """Raise ReaudioError where a model retrieves from the user's index and there is none."""
    if index is not None or sampling.k == 0 or sampling.retrieval == "none":
        return
    if _retrieves(dataset, model, weights):
        raise ReaudioError(
            f"{model} uses retrieved pairs: give --index FOLDER (`reaudio-model index build`), or --k 0 to retrieve nothing."
        )


def check_sampling(dataset: str, sampling: Sampling, models: Mapping[str, Path | None]) -> None:
    """Refuse options that no model uses.

    Args:
        dataset: registered name.
        sampling: as asked for.
        models: registered model -> the user's weights of it, or None.

    Raises:
        ReaudioError: naming the first such option.
    """
    for option in sampling.given():
        used = (
            plugins.load("models", name).sampling_options(dataset, weights, plugins.find("models", name).variant)
            for name, weights in models.items()
        )
        if any(names is None or option in names for names in used):
            continue
        flag = next(field.flag for field in option_fields(Sampling) if field.name == option)
        why = (
            f"{' and '.join(models)} {'does' if len(models) == 1 else 'do'} not use it" if models else "no --model generates"
        )
        raise ReaudioError(f"{flag} has no effect: {why}. Leave it out.")


def check_model(dataset: str, model: str, weights: Path | None, fetch: Fetch) -> None:
    """Raise ReaudioError where a model has no weights for this dataset."""
    plugins.load("models", model).check(dataset, weights, plugins.find("models", model).variant, fetch)


def check_unused(measures: Measures) -> None:
    """Raise ReaudioError where options of embedders are given with tables of scores alone."""
    for flag, value in (
        ("--embedder", measures.embedders),
        ("--checkpoint", measures.checkpoints),
        ("--protocol", measures.protocol),
    ):
        if value:
            raise ReaudioError(
                f"{flag} has no effect: no clips are scored, only --scores is given. Leave it out, or give --clips."
            )


def check_external(external: ExternalScores, requests: Sequence[SystemRequest], metrics: Sequence[NamedMetric]) -> None:
    """Refuse names of systems and metrics of tables that do not go together with those that are scored here."""
    names = {r.name for r in requests}
    check_names([*requests, *(SystemRequest(name, "clips") for name in external.scores if name not in names)])
    check_computed(external, names, metrics)
