"""Prompts chosen by the names of the systems' clips.

Where a clip has several captions, a name can say which of them was used: AudioCaps gives every caption an id of its own. Such names choose
the prompts, the same for every system.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reaudio_eval.prompts.dataset import Dataset, NumberedPrompt, Prompt
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import CAPTION, compared, name_key

EXAMPLES = 3


@dataclass(frozen=True)
class Named:
    """Names that are of captions.

    Attributes:
        owner: system that the names are of, or table.
        scheme: of ``Dataset.captions``.
        prompts: name -> prompt.
        noun: what the names are, for messages.
    """

    owner: str
    scheme: str
    prompts: Mapping[str, NumberedPrompt]
    noun: str = "files"

    @property
    def text(self) -> str:
        """ "caption 2" or "captions 2 (12), 3 (7) and 5 (11)"."""
        return _numbers(each.number for each in self.prompts.values())

    def of(self, chosen: Collection[Prompt]) -> int:
        """Files of chosen prompts."""
        return sum(each.prompt in chosen for each in self.prompts.values())


def choose_captions(
    dataset: Dataset,
    clips: Mapping[str, Collection[str]],
    number: int,
    tables: Mapping[str, Collection[str]] | None = None,
) -> Dataset:
    """The dataset with the captions that the clips of systems are named after, and the ids in tables of their scores.

    Nothing changes where the names of the prompts (``Dataset.file_names``) fit as many files. A clip whose names say nothing keeps its
    prompt. Where the files name several captions of a clip, the one that most systems have is used, of equals the first.

    Args:
        dataset: with the ``number``-th captions.
        clips: system -> stems of its files.
        number: caption that the user chose; 1 leaves the choice to the names.
        tables: name of a table of scores -> its clip ids.

    Returns:
        The dataset with other prompts, names and notes.

    Raises:
        ReaudioError: another caption was chosen than the files have; or most files of a system are of other captions than those of the
            other systems.
    """
    given = [(owner, names, "files") for owner, names in clips.items()]
    given += [(owner, names, "clip ids") for owner, names in (tables or {}).items()]
    named = [found for each in given if (found := _named(dataset, *each)) is not None]
    if not named:
        return dataset
    if number != 1:
        raise ReaudioError(_not_these(named[0], number))
    chosen = _majority(named)
    _check_shared(named, frozenset(each.prompt for each in chosen.values()))
    prompts = tuple(chosen[p.clip_id].prompt if p.clip_id in chosen else p for p in dataset.prompts)
    return dataclasses.replace(
        dataset,
        prompts=prompts,
        file_names=_file_names(dataset, chosen),
        notes=(*_notes(dataset, named, chosen), *dataset.notes),
    )


def caption_prompts(dataset: Dataset, tables: Mapping[str, Collection[str]], number: int) -> Dataset:
    """The dataset with a prompt of its own for every caption that tables of scores name by an id, and the id as its clip id.

    Nothing changes where the ids of a table are others. Several captions of one clip are several prompts: systems may have been given any
    of them.

    Args:
        dataset: with the ``number``-th captions.
        tables: name of a table -> its clip ids.
        number: caption that the user chose; 1 leaves the choice to the ids.

    Raises:
        ReaudioError: another caption was chosen.
    """
    schemes = [scheme for scheme in dataset.captions if scheme != CAPTION]
    scheme = next((s for s in schemes if all(_follows(dataset, s, ids) for ids in tables.values())), None)
    if scheme is None or not tables:
        return dataset
    if number != 1:
        raise ReaudioError(
            f"The clip ids of {' and '.join(tables)} are ids of captions ({scheme}), so --captions {number} has no effect: leave it out."
        )
    wanted = {name_key(each) for ids in tables.values() for each in ids}
    found = {name: each.prompt for name, each in dataset.captions[scheme].items() if name in wanted}
    n_clips = len({prompt.clip_id for prompt in found.values()})
    note = f"The prompts are {len(found):,} captions of {n_clips:,} clips, which the tables of scores name by {scheme}."
    return dataclasses.replace(
        dataset,
        prompts=tuple(dataclasses.replace(prompt, clip_id=name) for name, prompt in found.items()),
        references={name: dataset.references[p.clip_id] for name, p in found.items() if p.clip_id in dataset.references},
        file_names={scheme: {name: name for name in found}},
        captions={},
        notes=(note, *dataset.notes),
    )


def _follows(dataset: Dataset, scheme: str, names: Collection[str]) -> bool:
    """Whether more of the names are of captions than of another kind."""
    keys = {name_key(name) for name in names}
    others = (len(keys & known.keys()) for other, known in dataset.file_names.items() if other != scheme)
    return len(keys & dataset.captions[scheme].keys()) > max(others, default=0)


def _named(dataset: Dataset, owner: str, stems: Collection[str], noun: str) -> Named | None:
    """The names of a system or table, where more of them are of captions than of the prompts."""
    plain = max(
        (len(names.keys() & compared(scheme, stems).keys()) for scheme, names in dataset.file_names.items()), default=0
    )
    best: Named | None = None
    for scheme, captions in dataset.captions.items():
        found = {stem: captions[key] for key, stem in compared(scheme, stems).items() if key in captions}
        if len(found) > max(plain, 0 if best is None else len(best.prompts)):
            best = Named(owner, scheme, found, noun)
    return best


def _numbers(numbers: Iterable[int]) -> str:
    counts = sorted(Counter(numbers).items())
    if len(counts) == 1:
        return f"caption {counts[0][0]}"
    *first, last = (f"{number} ({n})" for number, n in counts)
    return f"captions {', '.join(first)} and {last}"


def _not_these(found: Named, number: int) -> str:
    numbers = {each.number for each in found.prompts.values()}
    remedy = f"give --captions {min(numbers)}" if len(numbers) == 1 else "leave out --captions"
    return (
        f"The {found.noun} of {found.owner!r} are named after {found.text} of the clips ({found.scheme}), not after caption {number}: "
        f"{remedy}."
    )


def _majority(named: Sequence[Named]) -> dict[str, NumberedPrompt]:
    """clip_id -> the caption that most systems have."""
    votes: dict[str, Counter[Prompt]] = {}
    number: dict[Prompt, int] = {}
    for each in named:
        for prompt in {numbered.prompt for numbered in each.prompts.values()}:
            votes.setdefault(prompt.clip_id, Counter())[prompt] += 1
        for n, prompt in each.prompts.values():
            number[prompt] = min(n, number.get(prompt, n))
    best = {clip: min(found, key=lambda prompt: (-found[prompt], number[prompt])) for clip, found in votes.items()}
    return {clip: NumberedPrompt(number[prompt], prompt) for clip, prompt in best.items()}


def _check_shared(named: Sequence[Named], chosen: Collection[Prompt]) -> None:
    """Refuse systems most of whose clips are of other captions: their prompts differ, so that they cannot be compared."""
    for each in named:
        clips = {numbered.prompt.clip_id for numbered in each.prompts.values()}
        if 2 * each.of(chosen) < len(clips):
            other = max((o for o in named if o is not each), key=lambda o: o.of(chosen))
            raise ReaudioError(
                f"The {each.noun} of {each.owner!r} are named after {each.text} of the clips and those of {other.owner!r} after "
                f"{other.text}: systems are compared on the same prompts, so evaluate them apart, or generate clips of the same captions."
            )


def _file_names(dataset: Dataset, chosen: Mapping[str, NumberedPrompt]) -> dict[str, Mapping[str, str]]:
    """Names of the prompts: as before where a clip keeps its prompt, those of the chosen caption elsewhere."""
    found = dict(dataset.file_names)
    prompts = {each.prompt for each in chosen.values()}
    for scheme, captions in dataset.captions.items():
        kept = {name: clip for name, clip in dataset.file_names.get(scheme, {}).items() if clip not in chosen}
        found[scheme] = kept | {name: p.clip_id for name, (_, p) in captions.items() if p in prompts}
    return found


def _notes(dataset: Dataset, named: Sequence[Named], chosen: Mapping[str, NumberedPrompt]) -> list[str]:
    schemes = " or ".join(dict.fromkeys(each.scheme for each in named))
    numbers = _numbers(each.number for each in chosen.values())
    notes = [
        f"The prompts of {len(chosen)} of {len(dataset.prompts)} clips are {numbers}, after which the files are named ({schemes})."
    ]
    prompts = {each.prompt for each in chosen.values()}
    for each in (n for n in named if n.noun == "files"):  # ids of tables are counted where the tables are read
        unused = sorted(stem for stem, numbered in each.prompts.items() if numbered.prompt not in prompts)
        if unused:
            shown = ", ".join(map(repr, unused[:EXAMPLES]))
            notes.append(
                f"{len(unused)} of {len(each.prompts)} files of {each.owner} are of another caption of the same clip and are not used, "
                f"such as {shown}."
            )
    return notes
