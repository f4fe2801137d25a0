"""Largest relative difference of the networks of published systems from their authors' code, on random weights of the published sizes.

    python benchmarks/parity.py

writes ``benchmarks/parity.md``. The authors' code is that of the packages named below, which pip downloads without their dependencies into
a temporary folder (``--sources FOLDER`` keeps it); what they import and do not need here is replaced by empty modules. The embedders are
those of ``benchmarks/embedder_parity.py``. A difference is relative to the largest absolute value of the authors' output; "contrast" is the
same measure between the outputs of two inputs: a difference far below it shows that the comparison could fail.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tarfile
import tempfile
import types
import zipfile
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

PACKAGES = (
    "audioldm==0.1.1", "audiocraft==1.3.0", "einops==0.8.2", "hear21passt==0.0.26", "audiobox_aesthetics==0.0.4", "msclap==1.3.4",
    "torchopenl3==1.0.1", "torchlibrosa==0.1.0", "torchaudio==2.11.0",
)  # fmt: skip
EMBEDDERS = {
    "passt": "hear21passt 0.0.26",
    "audiobox_aesthetics": "audiobox_aesthetics 0.0.4",
    "msclap": "msclap 1.3.4",
    "openl3": "torchopenl3 1.0.1",
}
OUTPUT = ROOT / "benchmarks" / "parity.md"
TOLERANCE = 1e-5  # float32, operations in another order
MIN_CONTRAST = 100  # tolerances
FRAMES = 32  # of latents: an eighth of a clip, so that the largest networks take seconds


class Row(NamedTuple):
    """A comparison. ours, theirs: outputs of the same inputs, one row each."""

    network: str
    authors: str
    parameters: int
    ours: Tensor
    theirs: Tensor

    @property
    def difference(self) -> float:
        return float((self.ours - self.theirs).abs().max() / self.theirs.abs().max())

    @property
    def contrast(self) -> float:
        return float((self.theirs[0] - self.theirs[1]).abs().max() / self.theirs.abs().max())

    @property
    def holds(self) -> bool:
        return self.difference <= TOLERANCE and self.contrast >= MIN_CONTRAST * TOLERANCE


def fetch(folder: Path) -> None:
    """Download and unpack the authors' packages."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-binary",
        "audiocraft",
    ]
    subprocess.run([*command, "-d", str(folder / "files"), *PACKAGES], check=True)
    for file in sorted((folder / "files").iterdir()):
        if file.suffix == ".whl":
            with zipfile.ZipFile(file) as archive:
                archive.extractall(folder)  # noqa: S202 (packages of named versions, whose names zipfile checks)
        else:
            with tarfile.open(file) as archive:
                archive.extractall(folder, filter="data")


def stub(name: str, **contents: Any) -> None:
    """An empty module in the place of one that is imported and not needed."""
    module = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__path__ = []
    vars(module).update(contents)
    sys.modules.setdefault(name, module)


def bare_package(name: str, folder: Path) -> None:
    """A package whose ``__init__`` is not run."""
    stub(name)
    sys.modules[name].__path__ = [str(folder)]


def use(folder: Path) -> None:
    """Make the authors' packages importable."""
    import diffusers  # noqa: F401  (it looks for xformers, before the stub)
    import transformers  # noqa: F401

    sys.path.insert(0, str(folder))
    for path in sorted((folder / "audioldm").rglob("__init__.py")):
        if "hifigan" not in path.parts:
            bare_package(".".join(path.parent.relative_to(folder).parts), path.parent)
    (craft,) = folder.glob("audiocraft-*/audiocraft")
    for name in ("", ".modules", ".quantization", ".utils"):
        bare_package(f"audiocraft{name}", craft / name.lstrip(".").replace(".", "/"))
    stub("xformers")
    stub("xformers.ops", unbind=torch.unbind)
    vars(sys.modules["xformers"])["ops"] = sys.modules["xformers.ops"]
    stub("flashy", distrib=types.ModuleType("flashy.distrib"))
    stub("audioldm.utils", instantiate_from_config=None)


def shaken(network: Any) -> Any:
    """Every parameter with noise, so that no zero of an initialisation hides an error; in evaluation mode."""
    torch.manual_seed(0)
    for value in network.parameters():
        value.data += 0.02 * torch.randn_like(value)
    return network.eval().requires_grad_(False)


def count(network: Any) -> int:
    return sum(p.numel() for p in network.parameters())


def unets_of_audioldm() -> Iterator[Row]:
    """The denoisers of AudioLDM S, M and L."""
    from reaudio_eval.clips.models.public.audioldm import SIZES
    from reaudio_model.denoiser.unet import build_unet
    from reaudio_model.denoiser.unet_checkpoints import load_unet

    theirs_module = importlib.import_module("audioldm.latent_diffusion.openaimodel")
    for variant, sizes in SIZES.items():
        theirs = shaken(
            theirs_module.UNetModel(
                image_size=64, in_channels=8, out_channels=8, model_channels=sizes.base_channels, num_res_blocks=2,
                attention_resolutions=[8, 4, 2], channel_mult=(1, 2, 3, 5), num_head_channels=64 if variant == "l" else 32,
                extra_film_condition_dim=512, extra_film_use_concat=True, use_spatial_transformer=True,
            )
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "unet.ckpt"
            torch.save({"state_dict": {f"model.diffusion_model.{k}": v for k, v in theirs.state_dict().items()}}, path)
            ours = build_unet(sizes)
            load_unet(ours, path)
        latents, timesteps = torch.randn(2, 8, FRAMES, 16), torch.tensor([500, 20])
        text = torch.nn.functional.normalize(torch.randn(2, 512), dim=-1)
        with torch.no_grad():
            yield Row(
                f"UNet of AudioLDM-{variant.upper()}", "audioldm 0.1.1, openaimodel.UNetModel", count(theirs),
                ours.eval().unet(latents, timesteps, None, class_labels=text).sample, theirs(latents, timesteps, y=text),
            )  # fmt: skip


def codec_of_audioldm() -> Iterator[Row]:
    """VAE and vocoder, which Tango has too."""
    from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder
    from reaudio_model.config import CodecConfig

    modules = importlib.import_module("audioldm.variational_autoencoder.modules")
    hifigan = importlib.import_module("audioldm.hifigan")
    settings = importlib.import_module("audioldm.hifigan.utilities").HIFIGAN_16K_64
    sizes = {
        "double_z": True, "z_channels": 8, "resolution": 256, "downsample_time": False, "in_channels": 1, "out_ch": 1, "ch": 128,
        "ch_mult": [1, 2, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0,
    }  # fmt: skip
    encoder, decoder = shaken(modules.Encoder(**sizes)), shaken(modules.Decoder(**sizes))
    quant, post = shaken(torch.nn.Conv2d(16, 16, 1)), shaken(torch.nn.Conv2d(8, 8, 1))
    vocoder = shaken(hifigan.Generator(hifigan.AttrDict(settings)))
    vocoder.remove_weight_norm()
    parts = {"encoder": encoder, "decoder": decoder, "quant_conv": quant, "post_quant_conv": post, "vocoder": vocoder}
    state = {f"first_stage_model.{name}.{k}": v for name, part in parts.items() for k, v in part.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audioldm.ckpt"
        torch.save({"state_dict": state | {"scale_factor": torch.tensor(1.0)}}, path)
        vae, ours = load_vae(path, CodecConfig()), load_vocoder(path, CodecConfig())
    mel, latents = torch.randn(2, 1, 4 * FRAMES, 64), torch.randn(2, 8, FRAMES, 16)
    where = "audioldm 0.1.1, variational_autoencoder"
    with torch.no_grad():
        moments = quant(encoder(mel))
        yield Row("VAE encoder", where, count(encoder) + count(quant), vae.encode(mel).latent_dist.parameters, moments)
        decoded = decoder(post(latents))
        yield Row("VAE decoder", where, count(decoder) + count(post), vae.decode(latents).sample, decoded)
        sound = vocoder(mel[:, 0].transpose(1, 2))[:, 0]
        yield Row("HiFi-GAN", "audioldm 0.1.1, hifigan", count(vocoder), ours(mel[:, 0]), sound)


def audiogen() -> Iterator[Row]:
    """Language model (8 of its 48 layers) and EnCodec of AudioGen."""
    import public_checkpoints as checkpoints
    from transformers import EncodecConfig, EncodecModel, MusicgenDecoderConfig, MusicgenForCausalLM

    from reaudio_eval.clips.models.public import audiogen as ours_module

    seanet = importlib.import_module("audiocraft.modules.seanet")
    transformer = importlib.import_module("audiocraft.modules.transformer")
    codec = shaken(EncodecModel(EncodecConfig(**ours_module.ENCODEC)))
    state = checkpoints.audiocraft_codec(codec.state_dict())
    sizes = {
        "channels": 1, "dimension": 128, "n_filters": 64, "n_residual_layers": 1, "ratios": [8, 5, 4, 2], "norm": "weight_norm",
        "kernel_size": 7, "residual_kernel_size": 3, "last_kernel_size": 7, "dilation_base": 2, "pad_mode": "constant", "true_skip": True,
        "compress": 2, "lstm": 2, "causal": False,
    }  # fmt: skip
    for name, network, values in (
        ("encoder", seanet.SEANetEncoder(**sizes), 0.1 * torch.randn(2, 1, 16_000)),
        ("decoder", seanet.SEANetDecoder(**sizes, trim_right_ratio=1.0), torch.randn(2, 128, 50)),
    ):
        network.load_state_dict({k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")})
        with torch.no_grad():
            found, expected = getattr(codec, name)(values), network.eval()(values)
        yield Row(f"EnCodec {name} of AudioGen", "audiocraft 1.3.0, seanet", count(network), found, expected)
    settings = ours_module.DECODER | {"num_hidden_layers": 8}
    language_model = shaken(MusicgenForCausalLM(MusicgenDecoderConfig(**settings)))
    state = checkpoints.audiocraft_language_model(language_model.state_dict())
    width = settings["hidden_size"]
    theirs = transformer.StreamingTransformer(
        d_model=width, num_heads=settings["num_attention_heads"], num_layers=8, dim_feedforward=settings["ffn_dim"], dropout=0.0,
        bias_ff=False, bias_attn=False, causal=True, cross_attention=True, norm_first=True, activation="gelu", custom=True,
        memory_efficient=False, positional_embedding="sin", attention_as_float32=False, layer_scale=None,
    ).eval()  # fmt: skip
    theirs.load_state_dict({k.removeprefix("transformer."): v for k, v in state.items() if k.startswith("transformer.")})
    codes, text = torch.randint(0, 2049, (2, 4, 12)), torch.randn(2, 7, width)
    with torch.no_grad():
        embedded = sum(torch.nn.functional.embedding(codes[:, k], state[f"emb.{k}.weight"]) for k in range(4))
        normed = torch.nn.functional.layer_norm(
            theirs(embedded, cross_attention_src=text), (width,), state["out_norm.weight"], state["out_norm.bias"]
        )
        expected = torch.stack([normed @ state[f"linears.{k}.weight"].T for k in range(4)], dim=1)
        found = language_model(input_ids=codes.reshape(8, 12), encoder_hidden_states=text).logits.reshape(expected.shape)
    yield Row("Language model of AudioGen, 8 layers", "audiocraft 1.3.0, transformer", count(theirs), found, expected)


COMPARISONS: tuple[Callable[[], Iterator[Row]], ...] = (unets_of_audioldm, codec_of_audioldm, audiogen)


def embedders() -> dict[str, float]:
    """Embedder -> largest relative difference."""
    import contextlib
    import io

    import embedder_parity

    embedder_parity.without_native_libraries()
    found = {}
    for name in EMBEDDERS:
        with contextlib.redirect_stdout(io.StringIO()), torch.inference_mode():
            found[name] = embedder_parity.COMPARISONS[name]()
        print(f"{name:<40} {found[name]:.1e}", flush=True)
    return found


def table(rows: list[Row], of_embedders: dict[str, float]) -> str:
    """Markdown."""
    lines = [
        "# Networks of published systems beside their authors' code",
        "",
        "Made by `python benchmarks/parity.py`; its first lines say what is compared, and how. CLAP, PANNs, VGGish and the Frechet "
        "distance are compared by `make crosscheck`.",
        "",
        "| network | authors' code | parameters | largest relative difference | contrast |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {r.network} | {r.authors} | {r.parameters:,} | {r.difference:.1e} | {r.contrast:.1e} |" for r in rows]
    lines += ["", "| embedder | authors' package | largest relative difference |", "|---|---|---|"]
    lines += [f"| {name} | {EMBEDDERS[name]} | {value:.1e} |" for name, value in of_embedders.items()]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, help="folder of the unpacked packages; made where it does not exist")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.sources or Path(temporary)
        if not (folder / "files").is_dir():
            fetch(folder)
        use(folder)
        rows = []
        for compare in COMPARISONS:
            for row in compare():
                print(f"{row.network:<40} {row.difference:.1e} (contrast {row.contrast:.1e})", flush=True)
                rows.append(row)
        of_embedders = embedders()
    OUTPUT.write_text(table(rows, of_embedders), encoding="utf-8")
    failed = [row.network for row in rows if not row.holds]
    failed += [name for name, difference in of_embedders.items() if difference > TOLERANCE]
    if failed:
        print(f"Above {TOLERANCE:g}, or without contrast: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
