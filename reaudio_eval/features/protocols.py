"""Evaluation protocols: waveform processing and metric conventions of published numbers.

Scores depend on the protocol: resampling alone moves PANNs FD by tens of points (README of audioldm_eval), so every number carries
the name of its protocol. Add one by adding an entry to ``PROTOCOLS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from reaudio_model.common.errors import UnknownNameError

if TYPE_CHECKING:
    from reaudio_model.common.resample import Resampler


@dataclass(frozen=True)
class WaveformRule:
    """Processing from the file to the input of an embedder, in this order: mono, DC removal, resample, level, quantise, crop, pad.

    Attributes:
        mono: "first" channel or "mean" of the channels.
        remove_dc: subtract the mean before resampling.
        resampler: "sinc_hann" (torchaudio's default: Hann, width 6, rolloff 0.99), "sinc_kaiser" (fadtk: width 64, rolloff
            0.9475937167399596, beta 14.769656459379492) or "soxr_hq".
        rates: Hz visited one after the other; the last is the embedder's. () means straight to the embedder's rate.
        peak_db: scale the peak to this many dB full scale, or None to leave the level alone (silence stays silence).
        int16: round to 16 bits.
        max_seconds: keep only the head, or None.
        min_samples: zero-pad at the end to at least this many samples, counted at the final rate unless ``pad_rate`` is set.
        pad_rate: Hz; pad as soon as the waveform reaches this rate instead of at the end. None: pad last.
    """

    mono: Literal["first", "mean"] = "first"
    remove_dc: bool = True
    resampler: Resampler = "sinc_hann"
    rates: tuple[int, ...] = ()
    peak_db: float | None = None
    int16: bool = False
    max_seconds: float | None = None
    min_samples: int = 0
    pad_rate: int | None = None


@dataclass(frozen=True)
class Protocol:
    """A named set of conventions.

    Attributes:
        waveform: rule for every embedder not named in ``per_embedder``.
        per_embedder: embedder name -> its own rule.
        sample_rates: embedder name -> Hz, where an embedder comes in several.
        clap_checkpoint: file name of the CLAP checkpoint that the CLAP score of this protocol uses.
        kl_epsilon: added to the generated distribution inside the log; 0 means exact log-softmax.
        kl_direction: "reference_generated" is KL(reference || generated).
        is_splits, is_seed: Inception Score bookkeeping.
        source: repository @ commit, or paper.
    """

    name: str
    description: str
    source: str
    waveform: WaveformRule = WaveformRule()
    per_embedder: Mapping[str, WaveformRule] = field(default_factory=dict)
    sample_rates: Mapping[str, int] = field(default_factory=dict)
    clap_checkpoint: str = "music_speech_audioset_epoch_15_esc_89.98.pt"
    kl_epsilon: float = 1e-6
    kl_direction: Literal["reference_generated", "generated_reference"] = "reference_generated"
    is_splits: int = 10
    is_seed: int = 2020

    def rule(self, embedder: str) -> WaveformRule:
        return self.per_embedder.get(embedder, self.waveform)

    def checkpoint(self, embedder: str) -> str | None:
        """File name of the published checkpoint that it uses for an embedder; None where any will do."""
        return self.clap_checkpoint if embedder == "clap" else None


DEFAULT_PROTOCOL = "audioldm-eval-2023-06"

# The CLAP branch is fed by WaveDataset at 32 kHz, which pads to 32,000 samples; then 48 kHz and the first 480,000 samples.
_AUDIOLDM_CLAP = WaveformRule(rates=(32_000, 48_000), max_seconds=10.0, min_samples=32_000, pad_rate=32_000)
_FIRST_10_S = WaveformRule(mono="mean", max_seconds=10.0)
_PASST_INPUT = 320_000  # samples: 10 s at 32 kHz
_PEAK_NORMALISED = WaveformRule(mono="mean", remove_dc=False, resampler="soxr_hq", peak_db=-1.0)

PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            name=DEFAULT_PROTOCOL,
            description="The numbers of the AudioLDM family (Re-AudioLDM, AudioLDM, Tango): first channel, DC removed, "
            "torchaudio's sinc resampler, PANNs at 16 kHz. Not reproduced, being faults: unreadable files replaced by their "
            "neighbour, -1 for an undefined value, one CLAP embedding in ten replaced by that of an empty caption",
            source="haoheliu/audioldm_eval @ 51b7fdd (2023-06-24); CLAP score from its branch passt_replace_panns @ a2fde54",
            waveform=WaveformRule(min_samples=32_000),
            per_embedder={"clap": _AUDIOLDM_CLAP},
            sample_rates={"panns": 16_000},
        ),
        Protocol(
            name="miniature",
            description="The bundled miniature world: channel mean, no resampling, peak at -6 dB for every network, as they were "
            "trained; exact KL. Numbers under it compare only with each other",
            source="reaudio-eval's own",
            waveform=WaveformRule(mono="mean", peak_db=-6.0206),
            kl_epsilon=0.0,
        ),
        Protocol(
            name="audioldm-eval-2023-06-32k",
            description="As audioldm-eval-2023-06 with its 32 kHz option: PANNs Cnn14 at 32 kHz (VGGish stays at 16 kHz)",
            source="haoheliu/audioldm_eval @ 51b7fdd (2023-06-24), EvaluationHelper(32000, ...)",
            waveform=WaveformRule(min_samples=32_000),
            per_embedder={"clap": _AUDIOLDM_CLAP},
            sample_rates={"panns": 32_000},
        ),
        Protocol(
            name="av-benchmark",
            description="MMAudio's numbers: channel mean, DC removed, torchaudio's sinc resampler, cut to 10 s, exact KL. "
            "PaSST on exactly 10 s. Not reproduced: the random 7 s that MS-CLAP reads of a longer clip (here the first), ImageBind and "
            "Synchformer",
            source="hkchengrex/av-benchmark @ 050a5cd (2025-08-20)",
            waveform=_FIRST_10_S,
            per_embedder={
                "passt": replace(_FIRST_10_S, min_samples=_PASST_INPUT),
                "msclap": WaveformRule(remove_dc=False),  # its own loader, which reads one channel after the other
            },
            sample_rates={"panns": 16_000},
            kl_epsilon=0.0,
        ),
        Protocol(
            name="fadtk",
            description="Microsoft's FAD toolkit (kadtk resamples alike): channel mean, Kaiser sinc resampler, 16-bit. "
            "Not reproduced: half-precision embeddings, CLAP windows of a second, EnCodec, MERT and other networks",
            source="microsoft/fadtk @ ec74b1f (2025-08-22)",
            waveform=WaveformRule(mono="mean", remove_dc=False, resampler="sinc_kaiser", int16=True),
            per_embedder={
                "vggish": WaveformRule(mono="mean", remove_dc=False, resampler="sinc_kaiser", int16=True, min_samples=16_000)
            },
        ),
        Protocol(
            name="stable-audio-metrics",
            description="Stable Audio's conventions: channel mean, soxr, peak at -1 dB, 16-bit for CLAP, KL(generated || "
            "reference) of PaSST's logits, their mean over windows of 10 s every 5 s. FD of OpenL3's frames "
            "(fad_openl3; env, hop 0.5 s) in mono. Not reproduced: OpenL3 in stereo (of mono clips that FD is twice this one) and its "
            "second resampling with resampy, the fusion of CLAP's audio branch",
            source="Stability-AI/stable-audio-metrics @ fd55536 (2024-03-21)",
            waveform=_PEAK_NORMALISED,
            per_embedder={
                "clap": replace(_PEAK_NORMALISED, int16=True),
                "openl3": replace(_PEAK_NORMALISED, rates=(44_100, 48_000)),
                "passt": replace(_PEAK_NORMALISED, min_samples=_PASST_INPUT),
            },
            clap_checkpoint="630k-audioset-fusion-best.pt",
            kl_direction="generated_reference",
        ),
        Protocol(
            name="audiocraft",
            description="MusicGen's and AudioGen's conventions: channel mean, peak at -1 dB and 16-bit for FAD alone, KL of PaSST. "
            "Not reproduced: the TensorFlow VGGish, julius (a Hann sinc of another width) for resampling, PaSST on what follows the "
            "first 10 s (it is counted there as further clips)",
            source="facebookresearch/audiocraft @ 896ec7c (2025-03-13)",
            waveform=WaveformRule(mono="mean", remove_dc=False),
            per_embedder={
                "vggish": WaveformRule(mono="mean", remove_dc=False, peak_db=-1.0, int16=True),
                "passt": WaveformRule(mono="mean", remove_dc=False, max_seconds=10.0),
            },
            clap_checkpoint="music_audioset_epoch_15_esc_90.14.pt",
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    """The protocol called ``name``.

    Raises:
        UnknownNameError: no such protocol.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
