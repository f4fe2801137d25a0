"""Verdict of the long-tail report in sentences.

A system is called better or different only where a paired test is significant (Holm-corrected).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reaudio_eval.clips.roles import competing
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.reports.leader import NOTHING, leader_sentence, without_strata
from reaudio_eval.reports.text import count, interval, number
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.thresholds import ALPHA


def ends(strata: Sequence[Stratum]) -> tuple[str, str]:
    """Names of the most frequent stratum and of the rarest one with training clips."""
    seen = sorted((s for s in strata if s.high is None or s.high > 1), key=lambda s: s.low)
    return (seen[-1].name, seen[0].name) if seen else ("head", "tail")


@dataclass(frozen=True)
class Loss:
    """Loss of a system from the most frequent stratum to the rarest: positive is worse on rare sounds."""

    system: str
    value: float
    ci_low: float
    ci_high: float
    reason: str = ""

    @property
    def clear(self) -> bool:
        """The interval is above zero."""
        return self.ci_low > 0


def losses(analysis: LongtailAnalysis, metric: MetricInfo) -> list[Loss]:
    """Head-tail losses of every system in order: the gap (head minus tail), turned so that positive is worse on the tail."""
    rows = analysis.trend[(analysis.trend["metric"] == metric.name) & (analysis.trend["statistic"] == "gap_head_tail")]
    row_of = {row.system: row for row in records(rows)}
    result = []
    for name in (s.name for s in analysis.systems if s.name in row_of):
        row = row_of[name]
        value, low, high = row.value, row.ci_low, row.ci_high
        if not metric.higher_is_better:
            value, low, high = -value, -high, -low
        result.append(Loss(name, value, low, high, row.reason if isinstance(row.reason, str) else ""))
    return result


def sentences(analysis: LongtailAnalysis) -> list[Markup]:
    """The leader on the primary metric, the losses from head to tail, and the same loss of the real audio."""
    if analysis.primary is None or not competing(analysis.systems):
        return [*without_strata(analysis), NOTHING]
    metric = analysis.metric(analysis.primary)
    if analysis.no_strata:
        return [*without_strata(analysis), leader_sentence(analysis, metric)]
    return [leader_sentence(analysis, metric), *_loss_sentences(analysis, metric)]


def _loss_sentences(analysis: LongtailAnalysis, metric: MetricInfo) -> list[Markup]:
    every = losses(analysis, metric)
    competitors = set(competing(analysis.systems))
    known = [loss for loss in every if loss.system in competitors and math.isfinite(loss.value)]
    head, tail = ends(analysis.strata)
    if not known:
        reason = next((loss.reason for loss in every if loss.reason), "")
        return [Markup("The loss from {} to {} is undefined. {}").format(head, tail, reason)]
    digits = metric_decimals(analysis, metric)
    least, most = min(known, key=lambda loss: loss.value), max(known, key=lambda loss: loss.value)
    sizes = {name: _stratum_size(analysis, metric, known[0].system, name) for name in (head, tail)}
    if not any(math.isfinite(loss.ci_low) for loss in known):
        reason = next((loss.reason for loss in known if loss.reason), "no interval could be computed")
        return [
            Markup("The loss from {} ({}) to {} ({}) has no interval: {}.").format(
                head, sizes[head], tail, sizes[tail], reason
            )
        ]
    opening = Markup("The loss from {} ({}) to {} ({}) is ").format(head, sizes[head], tail, sizes[tail])
    if len(known) == 1:
        first = opening + Markup("{}{}").format(_measured(least, digits), _how_clear(known))
    else:
        first = opening + Markup("smallest for <b>{}</b>, {}, and largest for <b>{}</b>, {}{}").format(
            least.system, _measured(least, digits), most.system, _measured(most, digits), _how_clear(known)
        )
    return [first] + [text for text in (_gap_tests(analysis, metric), _real_loss(analysis, every, digits)) if text]


def _stratum_size(analysis: LongtailAnalysis, metric: MetricInfo, system: str, stratum: str) -> str:
    row = lookup(analysis.by_stratum, "system", "metric", "stratum").get((system, metric.name, stratum))
    if row is None:
        return "size unknown"
    return count(row.n_clips, "clip") if metric.level == "set" else count(row.n_classes, "class", "classes")


def _measured(loss: Loss, digits: int) -> str:
    return " ".join(filter(None, [number(loss.value, digits), interval(loss.ci_low, loss.ci_high, digits)]))


def _how_clear(known: Sequence[Loss]) -> str:
    with_interval = [loss for loss in known if math.isfinite(loss.ci_low) and math.isfinite(loss.ci_high)]
    clear = sum(loss.clear for loss in with_interval)
    if len(known) == 1:
        return f"; its interval {'excludes' if clear else 'includes'} zero."
    if clear == len(known):
        return f"; its interval is above zero for all {clear} systems."
    missing = len(known) - len(with_interval)
    without = f", and {missing} {'has' if missing == 1 else 'have'} no interval" if missing else ""
    return f"; its interval is above zero for {clear or 'none'} of {len(known)} systems{without}."


def _gap_tests(analysis: LongtailAnalysis, metric: MetricInfo) -> Markup | None:
    rows = analysis.paired[(analysis.paired["metric"] == metric.name) & (analysis.paired["quantity"] == "gap_head_tail")]
    competitors = set(competing(analysis.systems))
    rows = rows[rows["system_a"].isin(competitors) & rows["system_b"].isin(competitors) & rows["p_holm"].notna()]
    if rows.empty:
        return None
    different = int((rows["p_holm"] < ALPHA).sum())
    if not different:
        return Markup("The losses of the systems are not significantly different (paired tests).")
    pairs = count(len(rows), "pair")
    return Markup("The losses are significantly different in {} of {} of systems (paired tests).").format(different, pairs)


def _real_loss(analysis: LongtailAnalysis, every: Sequence[Loss], digits: int) -> Markup | None:
    """The same loss of the real audio, which comes from the scoring model and the clips, not from a system."""
    real = {s.name for s in analysis.systems if s.kind == "real"}
    loss = next((one for one in every if one.system in real and math.isfinite(one.value)), None)
    if loss is None:
        return None
    return Markup("For the real audio this loss is {}.").format(_measured(loss, digits))
