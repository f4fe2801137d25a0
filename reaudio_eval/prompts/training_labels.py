"""Classes in the training data of a system.

No class among them is called zero-shot for the system. A model declares ``ModelPlugin.trained_on``; for a folder of clips, or weights of
the user's, ``--trained-on NAME=...`` states it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.datasets._tables import AUDIOSET, LabelSet
from reaudio_model.common.csv_files import read_text
from reaudio_model.common.errors import ReaudioError

DATASET, ALL = "dataset", "all"
# Corpora whose classes are known by name: the vocabulary of labels that they cover. WavCaps has captions and no labels, but its largest
# part is AudioSet's strongly labelled set (Mei et al., arXiv 2303.17395), so no AudioSet class may be taken for unseen.
CORPORA: Mapping[str, str] = {"audioset": AUDIOSET, "wavcaps": AUDIOSET}


@dataclass(frozen=True)
class Training:
    """What a system was trained on.

    Attributes:
        text: for the reader.
        known: False where it is not declared; then no class is called zero-shot for it.
        counts_hold: the dataset's training counts are those of the system.
        labels: classes in training beyond those counts; None stands for every class.
    """

    text: str
    known: bool = True
    counts_hold: bool = False
    labels: frozenset[str] | None = frozenset()

    def saw(self, label: str) -> bool:
        """Whether the class was in the system's training data, apart from the dataset's counts."""
        return self.labels is None or label in self.labels


UNKNOWN = Training("unknown", known=False)
OWN = Training("the training set of the dataset", counts_hold=True)
EVERYTHING = Training("every class", labels=None)
NOTHING = Training("nothing")


def declared(value: str | Sequence[str] | None, dataset: Dataset) -> Training:
    """The meaning of ``ModelPlugin.trained_on``: "dataset" (the evaluated dataset's training set), "all" (every class), a
    sequence of names among ``CORPORA``, () for nothing, or None for unknown.

    Raises:
        ReaudioError: no such word or corpus.
    """
    if value is None:
        return UNKNOWN
    words = (value,) if isinstance(value, str) else tuple(value)
    if not words:
        return NOTHING
    found = [_word(word, dataset) for word in words]
    if any(each is None for each in found):
        known = ", ".join(repr(word) for word in (DATASET, ALL, *CORPORA))
        raise ReaudioError(f"trained_on {value!r} is not known: give names among {known}.")
    return _together([each for each in found if each is not None])


def _together(parts: Sequence[Training]) -> Training:
    if len(parts) == 1:
        return parts[0]
    labels = None if any(p.labels is None for p in parts) else frozenset[str]().union(*(p.labels or () for p in parts))
    return Training(
        " and ".join(p.text for p in parts), all(p.known for p in parts), any(p.counts_hold for p in parts), labels
    )


def _word(word: str, dataset: Dataset) -> Training | None:
    if word == DATASET:
        return OWN
    if word == ALL:
        return EVERYTHING
    if word not in CORPORA:
        return None
    if dataset.vocabulary_name != CORPORA[word]:
        return Training(f"{word}, whose classes cannot be matched with those of {dataset.name}", known=False)
    return Training(word, labels=frozenset(dataset.vocabulary))


def from_option(name: str, value: str, dataset: Dataset) -> Training:
    """The meaning of ``--trained-on NAME=VALUE``: "dataset", "all", "nothing", a corpus, or a file with a label or label name per line.

    Raises:
        ReaudioError: neither a word nor a file; a file that is empty, not UTF-8, or names a label the dataset does not know.
    """
    if value == "nothing":
        return NOTHING
    found = _word(value, dataset)
    if found is not None:
        return found
    path = Path(value).expanduser()
    if not path.is_file():
        words = ", ".join((DATASET, ALL, "nothing", *CORPORA))
        raise ReaudioError(
            f"--trained-on {name}={value}: neither one of the words {words} nor a file with a label per line."
        )
    labels = _read(path, dataset)
    return Training(f"the {len(labels)} classes named in {path.name}", labels=labels)


def _read(path: Path, dataset: Dataset) -> frozenset[str]:
    lines = [line.strip() for line in read_text(path, "a label or label name per line").splitlines()]
    wanted = [(i, line) for i, line in enumerate(lines, start=1) if line and not line.startswith("#")]
    if not wanted:
        raise ReaudioError(
            f"{path} names no label: write a label or label name per line, or give --trained-on NAME=nothing."
        )
    known = known_labels(dataset)
    return frozenset(label for i, line in wanted for label in known.parse(line, f"{path} line {i}"))


def known_labels(dataset: Dataset) -> LabelSet:
    """Every label a dataset knows, with its name."""
    counted: Iterable[str] = (*dataset.vocabulary, *dataset.label_names, *dataset.train_counts)
    ids = tuple(dict.fromkeys((*counted, *(label for p in dataset.prompts for label in p.labels))))
    return LabelSet(ids, {label: dataset.label_names.get(label, label) for label in ids})
