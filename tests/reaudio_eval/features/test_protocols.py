"""The named protocols say what their sources do (metric by metric, from the sources' own code)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, PROTOCOLS, get_protocol
from reaudio_eval.features.waveform import apply_rule
from reaudio_model.codec.mel import normalise_waveform
from reaudio_model.common.audio import DecodedAudio
from reaudio_model.common.errors import UnknownNameError

# name -> (mono, DC removed, resampler, peak, 16-bit, KL epsilon, KL direction, CLAP checkpoint)
EXPECTED = {
    "audioldm-eval-2023-06": ("first", True, "sinc_hann", None, False, 1e-6, "reference_generated", "music_speech_audioset"),
    "audioldm-eval-2023-06-32k": (
        "first",
        True,
        "sinc_hann",
        None,
        False,
        1e-6,
        "reference_generated",
        "music_speech_audioset",
    ),
    "av-benchmark": ("mean", True, "sinc_hann", None, False, 0.0, "reference_generated", "music_speech_audioset"),
    "fadtk": ("mean", False, "sinc_kaiser", None, True, 1e-6, "reference_generated", "music_speech_audioset"),
    "stable-audio-metrics": ("mean", False, "soxr_hq", -1.0, False, 1e-6, "generated_reference", "630k-audioset-fusion"),
    "audiocraft": ("mean", False, "sinc_hann", None, False, 1e-6, "reference_generated", "music_audioset"),
    "miniature": ("mean", True, "sinc_hann", -6.0206, False, 0.0, "reference_generated", "music_speech_audioset"),
}
OURS = ("miniature",)


def test_every_protocol_is_checked_here() -> None:
    assert set(PROTOCOLS) == set(EXPECTED)
    assert DEFAULT_PROTOCOL in PROTOCOLS


@pytest.mark.parametrize("name", EXPECTED)
def test_conventions(name: str) -> None:
    p = get_protocol(name)
    w = p.waveform
    found = (w.mono, w.remove_dc, w.resampler, w.peak_db, w.int16, p.kl_epsilon, p.kl_direction)
    assert found == EXPECTED[name][:-1]
    assert p.clap_checkpoint.startswith(EXPECTED[name][-1])
    assert p.name == name
    if name not in OURS:
        assert " @ " in p.source
        assert "ot reproduced" in p.description or name == "audioldm-eval-2023-06-32k"


def test_the_miniature_hears_clips_as_its_networks_were_trained() -> None:
    """Mean removed and peak 0.5, as ``mel.normalise_waveform`` leaves training clips."""
    clip = 0.01 * np.random.default_rng(0).standard_normal((4_000, 1)).astype(np.float32) + 0.1
    heard = apply_rule(DecodedAudio(clip, 16_000), get_protocol("miniature").waveform, 16_000)
    expected = normalise_waveform(torch.from_numpy(clip[:, 0])).numpy()
    np.testing.assert_allclose(heard, expected, atol=1e-5)  # 6.0206 dB is 0.5 to 1e-6


def test_rules_of_single_embedders() -> None:
    audioldm = get_protocol("audioldm-eval-2023-06")
    assert audioldm.rule("vggish") == audioldm.rule("panns") == audioldm.waveform
    assert audioldm.waveform.min_samples == 32_000
    clap = audioldm.rule("clap")
    assert (clap.rates, clap.pad_rate, clap.min_samples, clap.max_seconds) == ((32_000, 48_000), 32_000, 32_000, 10.0)
    assert get_protocol("fadtk").rule("vggish").min_samples == 16_000
    assert get_protocol("fadtk").rule("clap").min_samples == 0
    assert get_protocol("stable-audio-metrics").rule("clap").int16
    assert get_protocol("audiocraft").rule("vggish").peak_db == -1.0
    assert get_protocol("audiocraft").rule("panns").peak_db is None
    assert get_protocol("av-benchmark").waveform.max_seconds == 10.0


def test_rule_of_openl3() -> None:
    """stable-audio-metrics limits the band to 22.05 kHz."""
    rule = get_protocol("stable-audio-metrics").rule("openl3")
    assert (rule.mono, rule.remove_dc, rule.resampler, rule.peak_db) == ("mean", False, "soxr_hq", -1.0)
    assert rule.rates == (44_100, 48_000)


def test_rule_of_msclap() -> None:
    """av-benchmark gives it the files, which it loads itself."""
    rule = get_protocol("av-benchmark").rule("msclap")
    assert (rule.mono, rule.remove_dc, rule.resampler, rule.max_seconds, rule.peak_db) == (
        "first",
        False,
        "sinc_hann",
        None,
        None,
    )


def test_rules_of_passt() -> None:
    """av-benchmark cuts and pads to 10 s, stable-audio-metrics pads its last window, audiocraft pads nothing."""
    rules = {name: get_protocol(name).rule("passt") for name in ("av-benchmark", "stable-audio-metrics", "audiocraft")}
    found = {name: (r.mono, r.remove_dc, r.peak_db, r.max_seconds, r.min_samples) for name, r in rules.items()}
    assert found == {
        "av-benchmark": ("mean", True, None, 10.0, 320_000),
        "stable-audio-metrics": ("mean", False, -1.0, None, 320_000),
        "audiocraft": ("mean", False, None, 10.0, 0),
    }
    assert rules["stable-audio-metrics"].resampler == "soxr_hq"


def test_panns_rates() -> None:
    assert get_protocol("audioldm-eval-2023-06").sample_rates["panns"] == 16_000
    assert get_protocol("audioldm-eval-2023-06-32k").sample_rates["panns"] == 32_000


def test_unknown_protocol_suggests() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown protocol 'fadkt'\. Did you mean 'fadtk'"):
        get_protocol("fadkt")
