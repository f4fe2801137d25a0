"""The tiny pipeline, six clips and their index."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_model import tiny_pairs
from tiny_pipeline import tiny_pipeline

from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
from reaudio_model.retrieval.embedding import clap_embedders
from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.records import Pair


@pytest.fixture(scope="module")
def pipeline() -> ReAudioLDMPipeline:
    return tiny_pipeline()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    return tiny_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def index(pipeline: ReAudioLDMPipeline, pairs: list[Pair], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    RetrievalIndex.build(pairs, clap_embedders(pipeline.conditioner.clap)).save(folder)
    return folder
