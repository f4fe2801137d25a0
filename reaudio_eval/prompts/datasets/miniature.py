"""The bundled miniature: 65 classes of synthesised sounds, long-tailed, nothing downloaded."""

from __future__ import annotations

from collections import Counter

from reaudio_eval.prompts.dataset import ALL_SPLITS, Dataset, Prompt
from reaudio_eval.prompts.datasets import DatasetDefaults, DatasetOptions, DatasetPlugin, SplitLabels
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.progress import Reporter
from reaudio_model.miniature import bundled, captions, materials, world

BANNER = (
    "This is the miniature world: synthetic sounds, small networks trained on them. Its numbers compare with each other only, never "
    "with AudioCaps or with any paper."
)
SPLITS: tuple[world.Split, ...] = ("test", "val")


class Miniature(DatasetPlugin):
    """The bundled synthetic dataset."""

    defaults = DatasetDefaults(
        embedders=("miniature_tagger", "miniature_judge", "miniature_clap"),
        protocol="miniature",
        primary="label_accuracy_miniature_judge",
        strata="10,100",
        metrics=(
            "label_accuracy_miniature_judge",
            "clap_score_miniature",
            "copying_miniature_tagger",
            "kl_miniature_tagger",
            "fd_miniature_tagger",
            "kad_miniature_tagger",
            "is_miniature_tagger",
        ),
        sweep_sample=65,  # a prompt of every class
    )

    def load(self, options: DatasetOptions) -> Dataset:
        """Prompts, labels and synthesised references of the split test or val, or of both ("all"); training clips are no prompts.

        Raises:
            UnknownNameError: another split.
            ReaudioError: an option of datasets that lie on disk.
        """
        _check(options)
        split = one_of("miniature split", options.split, (*SPLITS, ALL_SPLITS))
        splits = [s for s in SPLITS if split in (s, ALL_SPLITS)]
        split_of = {clip_id: s for s in splits for clip_id in world.clip_ids(s)}
        specs = [world.describe(clip_id) for clip_id in split_of]
        audio = materials.write_clips(
            bundled.audio_folder(options.cache_dir),
            [spec.clip_id for spec in specs],
            progress=options.reporter or Reporter(quiet=True),
        )
        regimes = {label: world.regime(label) for label in world.train_counts()}
        pool_only, neither = ([r for r in regimes.values() if r == kind] for kind in ("pool only", "neither"))
        return Dataset(
            name="miniature",
            split=split,
            prompts=tuple(
                Prompt(spec.clip_id, spec.caption, spec.labels, source_id=spec.clip_id, split=split_of[spec.clip_id])
                for spec in specs
            ),
            train_counts={label: n for label, n in world.train_counts().items() if n},
            label_names=world.label_names(),
            references=audio,
            vocabulary=tuple(sorted(regimes)),
            vocabulary_name="miniature-classes",
            notes=(
                f"Of the classes without training clips {len(pool_only)} are in the retrieval pool and {len(neither)} in neither.",
                "The CLAP score uses the CLAP that conditions the bundled models: prefer the label accuracy of the miniature judge.",
            ),
            banner=BANNER,
            pool_counts=Counter(label for clip_id in world.clip_ids("pool") for label in world.describe(clip_id).labels),
        )

    def split_labels(self, options: DatasetOptions) -> SplitLabels:
        """The labels of the splits train, val and test.

        Raises:
            ReaudioError: an option of datasets that lie on disk.
        """
        _check(options)
        clips = {
            split: [world.describe(clip_id).labels for clip_id in world.clip_ids(split)]
            for split in ("train", "val", "test")
        }
        return SplitLabels(world.label_names(), clips, {split: len(rows) for split, rows in clips.items()})

    def class_captions(self, label: str) -> list[str]:
        """Captions of one class alone, for ``--captions classes``."""
        return captions.class_captions(label)


PLUGIN = Miniature()


def _check(options: DatasetOptions) -> None:
    given = {
        "--data-root": options.data_root,
        "--references": options.references,
        "--clip-manifest": options.clip_manifest,
    }
    for name, path in given.items():
        if path is not None:
            raise ReaudioError(
                f"The miniature comes with the package and takes no {name} {path}: name your own data with --dataset."
            )
    if options.captions != 1:
        raise ReaudioError(f"--captions {options.captions}: a clip of the miniature has one caption.")
