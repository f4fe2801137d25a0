"""Intervals of the mixed model against a Bayesian fit of the same model by NumPyro.

    pip install numpyro  # into the environment of the package
    python benchmarks/bayesian.py RELATE --data-root AUDIOCAPS [--csv FILE]

Means over the classes of a stratum, of listeners' ratings (``relate.py``) and of differences of two systems. Both sides have the same
fixed and random effects, and plain means as estimates. The Bayesian one has flat priors on fixed effects and half-Cauchy priors on
standard deviations, and its interval is the posterior predictive distribution of the error of a plain mean; it shares no code with REML,
degrees of freedom or the adjustment of variances.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from numpyro.infer import MCMC, NUTS
from relate import ratings

from reaudio_eval import plugins
from reaudio_eval.prompts.caption_choice import caption_prompts
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.class_table import Summary, class_table, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import macro
from reaudio_eval.statistics.fit import Fit
from reaudio_eval.statistics.scale import FREE
from reaudio_eval.statistics.thresholds import MIN_CLASSES
from reaudio_model.common.progress import Reporter

Row = dict[str, str | float]


def model(fixed: Floats, random: Floats, y: Floats) -> None:
    """Values as fixed effects, effects of classes and noise."""
    scale = float(np.std(y))
    beta = numpyro.sample("beta", dist.Normal(0, 100 * scale).expand([fixed.shape[1]]))
    of_classes = numpyro.sample("class_sd", dist.HalfCauchy(scale))
    noise = numpyro.sample("noise_sd", dist.HalfCauchy(scale))
    effects = numpyro.sample("effects", dist.Normal(0, 1).expand([random.shape[1]]))
    numpyro.sample("y", dist.Normal(jnp.asarray(fixed) @ beta + of_classes * (jnp.asarray(random) @ effects), noise), obs=y)


def posterior(fit: Fit, n_draws: int) -> tuple[Floats, Floats]:
    """Draws of the standard deviations of classes and of the noise."""
    s = fit.structure
    columns = s.columns.toarray()
    independent = np.linalg.qr(columns[:, : s.n_fixed])[0]
    sampler = MCMC(NUTS(model), num_warmup=n_draws // 2, num_samples=n_draws, num_chains=1, progress_bar=False)
    sampler.run(jax.random.PRNGKey(0), independent, columns[:, s.n_fixed :], fit.values)
    draws = sampler.get_samples()
    return np.asarray(draws["class_sd"]), np.asarray(draws["noise_sd"])


def rows(name: str, summary: Summary, context: Context, n_draws: int) -> list[Row]:
    """Half widths of the intervals of each stratum and of all classes."""
    table, fit = context.table, context.fit(summary)
    of_classes, noise = posterior(fit, n_draws)
    groups = {s.name: (table.stratum == i) & summary.defined for i, s in enumerate(table.strata)}
    rng, found = np.random.default_rng(0), []
    for group, chosen in (groups | {"classes": summary.defined}).items():
        if chosen.sum() < MIN_CLASSES:
            continue
        interval = macro(summary, chosen, context).interval
        weights = fit.grid.averages @ (chosen / chosen.sum())
        shared = float(((fit.structure.random.T @ weights) ** 2).sum())
        sd = np.sqrt(of_classes**2 * shared + noise**2 * float(weights @ weights))
        errors = np.quantile(sd * rng.standard_normal((200, len(sd))), [0.025, 0.975])
        ours, theirs = (interval.high - interval.low) / 2, (errors[1] - errors[0]) / 2
        found.append(
            {
                "values": name,
                "stratum": group,
                "classes": int(chosen.sum()),
                "ours": ours,
                "bayesian": theirs,
                "ratio": ours / theirs,
            }
        )
    return found


def data(folder: Path, root: Path) -> tuple[Dataset, pd.DataFrame]:
    """Rated captions of the test split, and clips by systems."""
    dataset = plugins.load("datasets", "audiocaps").load(DatasetOptions(root, reporter=Reporter(quiet=True)))
    frame = ratings(folder).query("metric == 'relevance'").pivot_table(index="clip_id", columns="system", values="value")
    chosen = caption_prompts(dataset, {"ratings": list(frame.index)}, 1)
    return chosen, frame.reindex([p.clip_id for p in chosen.prompts])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("relate", type=Path)
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data/audiocaps"))
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args(arguments)
    dataset, frame = data(args.relate, args.data_root)
    table = class_table(dataset, strata_scheme("log10", dataset.train_counts))
    context = Context(table, MIN_CLASSES)
    values = {name: frame[name] for name in frame.columns}
    values |= {
        f"{a} - {b}": frame[a] - frame[b] for a, b in combinations(frame.columns, 2) if (frame[a] - frame[b]).notna().any()
    }
    found = [
        row
        for name, column in values.items()
        for row in rows(name, summarise(column.to_numpy(), table, FREE), context, args.draws)
    ]
    result = pd.DataFrame(found)
    if args.csv:
        result.to_csv(args.csv, index=False)
    print(result.round(3).to_string(index=False))
    print(
        f"Ratio of half widths: mean {result['ratio'].mean():.3f}, {result['ratio'].min():.3f} to {result['ratio'].max():.3f}"
    )


if __name__ == "__main__":
    main()
