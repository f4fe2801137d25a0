"""Reading pickled checkpoints without running code in them."""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

from reaudio_model.common.errors import CheckpointError


def read_pickle(path: Path) -> Any:
    """The content of a file of ``torch.save``, on the CPU; only tensors and plain data are made.

    Raises:
        CheckpointError: damaged, no such file, or with anything but data in it.
    """
    import torch

    try:
        with torch.serialization.safe_globals(_harmless_globals()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a damaged file; its error says more
            # mmap: only tensors in use are read (two thirds of a LAION file is the optimizer)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except PermissionError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: {error.strerror}.") from error
    except Exception as error:  # a damaged pickle can raise any exception
        if "TorchScript" in str(error):
            raise CheckpointError(f"{path} is a TorchScript archive, a program: use a file of the weights alone.") from error
        raise CheckpointError(f"The checkpoint {path} is truncated or damaged: download it again.") from error


def _refusal(path: Path, detail: str) -> CheckpointError:
    with path.open("rb") as file:
        is_pickle = file.read(2)[:1] == b"\x80" or zipfile.is_zipfile(path)
    if not is_pickle:
        return CheckpointError(f"{path} is not a checkpoint (an interrupted download, or a web page?): download it again.")
    found = re.search(r"GLOBAL (\S+)", detail)
    what = f" ({found[1]})" if found else ""
    return CheckpointError(
        f"{path} contains code{what} and was refused; none of it was run: use the published file or a .safetensors one."
    )


def _harmless_globals() -> list[Any]:
    """NumPy scalars and arrays, under the module names of NumPy 1 and 2, and the arguments of a command line.

    LAION's files keep the learning rate as a NumPy scalar in the optimizer's state; PANNs' keep the training sampler's
    index arrays (audioset_tagging_cnn, utils/data_generator.py, ``state_dict``); AudioMAE's keep the arguments of their
    training. None of these can execute code.
    """
    import _codecs

    import numpy as np

    def twice(function: Any) -> list[tuple[Any, str]]:
        return [
            (function, f"{module}.{function.__name__}") for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        ]

    scalar = np.float64(0).__reduce__()[0]
    reconstruct = np.zeros(0).__reduce__()[0]
    numeric = [type(np.dtype(code)) for code in "?bBhHiIlLqQefd"]
    plain = [np.dtype, np.ndarray, _codecs.encode, argparse.Namespace]
    return [*twice(scalar), *twice(reconstruct), *plain, *dict.fromkeys(numeric)]
