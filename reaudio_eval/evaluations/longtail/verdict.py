"""What the numbers allow one to say: which differences the paired tests separate, and the sentences at the top.

Nothing is called best, better or different here because one number is larger than another: only a paired test with its
Holm-corrected p-value says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.reports.text import count, interval, listing, number
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.frames import lookup, records
from reaudio_eval.statistics.separation import Separation, generated, overall_separation
from reaudio_eval.statistics.thresholds import ALPHA


def ends(strata: Sequence[Stratum]) -> tuple[str, str]:
    """Names of the most frequent stratum and of the rarest one with training clips."""
    seen = sorted((s for s in strata if s.high is None or s.high > 1), key=lambda s: s.low)
    return (seen[-1].name, seen[0].name) if seen else ("head", "tail")


@dataclass(frozen=True)
class Loss:
    """What a system loses from the most frequent stratum to the rarest: positive is worse on rare sounds."""

    system: str
    value: float
    ci_low: float
    ci_high: float
    reason: str = ""

    @property
    def clear(self) -> bool:
        """The interval lies on the losing side of zero."""
        return self.ci_low > 0


def losses(analysis: LongtailAnalysis, metric: MetricInfo) -> list[Loss]:
    """Head-tail losses of every system in order: the gap (head minus tail), turned so that positive is worse on the tail."""
    rows = analysis.trend[(analysis.trend["metric"] == metric.name) & (analysis.trend["statistic"] == "gap_head_tail")]
    of = {row.system: row for row in records(rows)}
    found = []
    for name in (s.name for s in analysis.systems if s.name in of):
        row = of[name]
        value, low, high = row.value, row.ci_low, row.ci_high
        if not metric.higher_is_better:
            value, low, high = -value, -high, -low
        found.append(Loss(name, value, low, high, row.reason if isinstance(row.reason, str) else ""))
    return found


def sentences(analysis: LongtailAnalysis) -> list[Markup]:
    """The verdict: who leads on the primary metric, what is lost from head to tail, and how much of it is the judge's."""
    if analysis.primary is None or not generated(analysis):
        return [Markup("No system has a value for any metric, so there is nothing to compare.")]
    metric = analysis.metric(analysis.primary)
    return [_leader_sentence(analysis, metric), *_loss_sentences(analysis, metric)]


def _names(systems: Sequence[str]) -> Markup:
    return Markup(listing([str(Markup("<b>{}</b>").format(s)) for s in systems]))  # noqa: S704 - each name is escaped


def _leader_sentence(analysis: LongtailAnalysis, metric: MetricInfo) -> Markup:
    found = overall_separation(analysis, metric)
    if metric.target is not None:
        return Markup("Neither more nor less {} is better, so no system leads: the ideal is {}.").format(
            metric.title, f"{metric.target:g}"
        )
    if found.leader is None:
        return Markup("No generated system has a value for {}.").format(metric.title)
    rows = analysis.overall[analysis.overall["metric"] == metric.name]
    digits = metric_decimals(analysis, metric)
    row = next(r for r in records(rows) if r.system == found.leader)
    value = " ".join(filter(None, [number(row.value, digits), interval(row.ci_low, row.ci_high, digits)]))
    others = len(found.beaten) + len(found.within_noise) + len(found.untested)
    clips = count(row.n_clips, "clip")
    if not others:
        return Markup("<b>{}</b> has a {} of {} over {}; no other system was given to compare it with.").format(
            found.leader, metric.title, value, clips
        )
    opening = Markup("<b>{}</b> has the {} {}, {}").format(
        found.leader, "highest" if metric.higher_is_better else "lowest", metric.title, value
    )
    if len(found.beaten) == others:
        return opening + Markup(", and paired tests separate it from {} (Holm-corrected p < {}).").format(
            "the other system" if others == 1 else f"all {others} other systems", ALPHA
        )
    return opening + _not_separated(found, others, digits, clips)


def _not_separated(found: Separation, others: int, digits: int, clips: str) -> Markup:
    limit = ""
    if math.isfinite(found.detectable):
        limit = f"; with {clips}, a difference below about {number(found.detectable, digits)} would probably be missed"
    if len(found.untested) == others:
        return Markup(", but no paired test could be made, so the order may be chance.")
    if not found.beaten:
        who = "the other one" if others == 1 else f"any of the other {others}"
        return Markup(", but no paired test separates it from {}{}.").format(who, limit)
    told = Markup(". Paired tests separate it from {} of {} other systems").format(len(found.beaten), others)
    if found.within_noise:
        told += Markup("; its lead over {} is within noise{}").format(_names(found.within_noise), limit)
    if found.untested:
        told += Markup("; {} could not be tested").format(_names(found.untested))
    return told + "."


def _loss_sentences(analysis: LongtailAnalysis, metric: MetricInfo) -> list[Markup]:
    every = losses(analysis, metric)
    competing = set(generated(analysis))
    known = [loss for loss in every if loss.system in competing and math.isfinite(loss.value)]
    head, tail = ends(analysis.strata)
    if not known:
        why = next((loss.reason for loss in every if loss.reason), "")
        return [Markup("What is lost from {} to {} is undefined. {}").format(head, tail, why)]
    digits = metric_decimals(analysis, metric)
    least, most = min(known, key=lambda loss: loss.value), max(known, key=lambda loss: loss.value)
    sizes = {name: _stratum_size(analysis, metric, known[0].system, name) for name in (head, tail)}
    if not any(math.isfinite(loss.ci_low) for loss in known):
        why = next((loss.reason for loss in known if loss.reason), "no interval could be made")
        return [
            Markup("What is lost from {} ({}) to {} ({}) cannot be judged: {}.").format(
                head, sizes[head], tail, sizes[tail], why
            )
        ]
    opening = Markup("The loss from {} ({}) to {} ({}) is ").format(head, sizes[head], tail, sizes[tail])
    if len(known) == 1:
        told = [opening + Markup("{}{}").format(_measured(least, digits), _how_clear(known))]
    else:
        told = [
            opening
            + Markup("smallest for <b>{}</b>, {}, and largest for <b>{}</b>, {}{}").format(
                least.system, _measured(least, digits), most.system, _measured(most, digits), _how_clear(known)
            )
        ]
    return told + [text for text in (_gap_tests(analysis, metric), _real_loss(analysis, every, digits)) if text]


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
        return f"; it is clear of zero for all {clear} systems."
    missing = len(known) - len(with_interval)
    without = f", and {missing} {'has' if missing == 1 else 'have'} no interval" if missing else ""
    return f"; it is clear of zero for {clear or 'none'} of {len(known)} systems{without}."


def _gap_tests(analysis: LongtailAnalysis, metric: MetricInfo) -> Markup | None:
    rows = analysis.paired[(analysis.paired["metric"] == metric.name) & (analysis.paired["quantity"] == "gap_head_tail")]
    competing = set(generated(analysis))
    rows = rows[rows["system_a"].isin(competing) & rows["system_b"].isin(competing) & rows["p_holm"].notna()]
    if rows.empty:
        return None
    separated = int((rows["p_holm"] < ALPHA).sum())
    if not separated:
        return Markup("No paired test finds that one system loses more than another.")
    return Markup("Paired tests find different losses in {} of {}.").format(separated, count(len(rows), "pair"))


def _real_loss(analysis: LongtailAnalysis, every: Sequence[Loss], digits: int) -> Markup | None:
    """How much the real audio itself loses: that part is the judge's or the clips', not a system's."""
    real = {s.name for s in analysis.systems if s.kind == "real"}
    loss = next((one for one in every if one.system in real and math.isfinite(one.value)), None)
    if loss is None:
        return None
    return Markup("The same loss for the real audio, which no system made, is {}.").format(_measured(loss, digits))
