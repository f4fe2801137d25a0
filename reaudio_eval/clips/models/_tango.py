"""What Tango and Tango 2 share: the layout of their files."""

from __future__ import annotations

from reaudio_eval.clips.models.public.system import Also, Published, Settings

WEIGHTS = ("main_config.json", "vae_config.json", "pytorch_model_main.bin", "pytorch_model_vae.bin")
T5_NAME = "google/flan-t5-large"  # whose encoder is among the weights
SETTINGS = Settings(guidance=3.0, seconds=10.24, steps=200)  # the paper's; the code's default is 100 steps


def published(hub_id: str, training_data: str, source: str) -> Published:
    """Facts about a repository in Tango's layout."""
    return Published(
        hub_id=hub_id,
        files=(*WEIGHTS, "tokenizer/*"),
        gigabytes=5.3,
        licence="CC BY-NC-SA 4.0 by its card, CC BY-NC-ND 4.0 by its code's repository",
        training_data=training_data,
        source=source,
        layout=f"a folder with {', '.join(WEIGHTS)}, as {hub_id} has them, and T5's tokenizer in tokenizer/",
        also=(Also(T5_NAME, ("*.json", "spiece.model"), "tokenizer"),),
    )
