"""Lists of AudioCaps test clips that published numbers are of.

Each is the test split of 975 clips without those whose audio its authors lacked. The members were read from the published lists named
below, all of which are subsets of the split; so was the caption that they use of each clip (all 886 and 964 ids in the order of the split,
all 957 ids; the number of the caption on 39 and 38 clips).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reaudio_eval.prompts.datasets._audiocaps_tables import AudioCapsTables
from reaudio_model.common.audiocaps import clip_ids
from reaudio_model.common.errors import ReaudioError

N_TEST = 975
COLUMNS = ["clip_id", "caption", "audiocap_id", "youtube_id", "start_time"]


def _ids(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOT_IN_964 = _ids(
    "1oOYqBroWoA 2GehEKSOgc8 ITP7tMt1BDg Lh0UmwRgA7s XP1L5k-Zxro baThGFuiYys dvY_HUaRgW8 g0l8ArPOTvA hhSqQN1Ou68 jPayI-MTnag "
    "jso1tv-zG-E"
)
_NOT_IN_957 = _NOT_IN_964 | _ids("0UJtGcoPYa0 2j8pxiFvElM 40cuHrYfaqA 4lv9aLXtud0 7D7xgd4WJ50 kOYg4ZtKcAs sCzRVvu9XeY")
_NOT_IN_886 = _NOT_IN_964 | _ids(
    "-mhFGevxLUg 0UJtGcoPYa0 1OyEgzXCkYE 2ItTq2JShdU 2bq2lc3DLwM 31WGUPOYS5g 3IguMJkqpl4 3iLGu2Omgrw 3kBlVLkN0zo 3n05BjV7r7M "
    "404cD3bVXDc 4_Cak7gvly4 4bUL_ttiOdw 5eSRL3PRHzo 5rh5-MCjqq8 7-HCqJFwHoI 77nElZGi5NU 7WkB6pflr6o 8BPTQO_cx7E 9HVgYs8OOLc "
    "9XqkKuTqEOM A2mcp0N__7U Af4a-9rcnP0 B-gTt3_rceQ BrPFQDr99Gg D9GHUPGWsV0 EQVWhHmT_cE ETb9EIQOMAA Ep72tyiL3as GSHcgY6ATkQ "
    "HUwXtfYRFwk MOxddxW5PXs MSziND26UTA NX0gR9Eebp0 NtQiduPRiRg OTLtzk0W4zg OmmPaIAXN0s PtW0cZVprJQ PuLuZ_TXv-0 Q3vkJMVMbC8 "
    "QARuiRtfy-k QoEal_hKz4Q RNBoH2LHQEM SNIaYhri76w S_3aeOvniZc WHRnyGXcdy8 XIooZl1QdM4 XL8JV9qXGLE YqYCDis3EUA Z7yDwpdGelM "
    "ZNEZLlDVgrE awxrHOpt-sE bmEF-c-M174 c0IggDOisOo cK2kSVR1d2o cN-oYKd-M4E cr0GiZr0TNY eJCaRgf1M20 gQMTOKsCIyk hFCmq9pCBbM "
    "hpDltmawxIM i6MQCm58zlY lTJLvSvjUZk lYhwCRX2wNc mVjub3o_IxE nuZEAuAl8hQ orgwzt45ojE q46VXJ6JN9M qPYwp1K4sZE qWYncqPSy9A "
    "ram-QPKSQYc rgrmLLhxoCQ t3VFlDiEKgY vsy1IpYmrSY xnVqvc7N7Po yau2WIRkxb8 zEM94PH29VQ zFzPOsOKog4"
)


@dataclass(frozen=True)
class PublishedList:
    """A published list.

    Attributes:
        n_clips: how many.
        absent: youtube_ids of the split that it lacks.
        caption: which caption of each clip it uses, from 1 in file order.
        source: where it was published.
    """

    n_clips: int
    absent: frozenset[str]
    caption: int
    source: str

    @property
    def name(self) -> str:
        """As in the name of its file."""
        return f"test_{self.n_clips}"


PUBLISHED_LISTS = (
    PublishedList(975, frozenset(), 1, "the whole split, with the first caption of each clip (Re-AudioLDM)"),
    PublishedList(
        964, _NOT_IN_964, 3, "haoheliu/audioldm_eval @ db994fd, audiocaps_test_nonrepeat_subset_2 (the AudioLDM family)"
    ),
    PublishedList(957, _NOT_IN_957, 5, "xiquan-li/MeanAudio @ 4221c10, sets/test-audiocaps.tsv"),
    PublishedList(886, _NOT_IN_886, 3, "declare-lab/tango @ 10ff3f9, data/test_audiocaps_subset.json (Tango, Tango 2)"),
)


def list_rows(tables: AudioCapsTables, published: PublishedList) -> pd.DataFrame:
    """The clips of a list in the order of the split: ``COLUMNS``, all strings; a ``--clip-manifest``.

    Raises:
        ReaudioError: the test split is not AudioCaps' 975 clips, or a clip has too few captions.
    """
    rows = tables.captions[tables.captions["split"] == "test"]
    clips = rows.drop_duplicates("clip")
    videos = set(clips["youtube_id"])
    if len(clips) != N_TEST or not published.absent <= videos:
        raise ReaudioError(
            f"The list of {published.n_clips} clips cannot be derived: it is AudioCaps' test split of {N_TEST} clips without "
            f"{len(published.absent)}, and this test split is another ({len(clips)} clips)."
        )
    chosen = rows[rows.groupby("clip", sort=False).cumcount() == published.caption - 1]
    chosen = chosen.set_index("clip").reindex(clips["clip"])
    if chosen["caption"].isna().any():
        raise ReaudioError(
            f"The list of {published.n_clips} clips uses caption {published.caption} of each clip, and some clips have fewer."
        )
    named = chosen.assign(clip_id=clip_ids(clips).to_numpy())
    return named[~named["youtube_id"].isin(published.absent)][COLUMNS].reset_index(drop=True)
