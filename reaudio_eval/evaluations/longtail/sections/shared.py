"""Sections that other reports have too."""

from __future__ import annotations

from reaudio_eval.reports.shared_sections import alerts_section, audit_section, listen_section, provenance_section

CITATION = """
<h3>How to cite</h3>
<p>State the version, the protocol and the hash of the list: reaudio-eval {{ version }}, {{ analysis.dataset_name }}/{{ analysis.split }}
<code>{{ analysis.list_sha256 }}</code>. The research question is that of
<a href="https://arxiv.org/abs/2309.08051">Yuan et al., Retrieval-Augmented Text-to-Audio Generation</a>; the sources of the metrics are
in the table above.</p>
<pre tabindex="0">@inproceedings{yuan2024retrieval,
  title     = {Retrieval-Augmented Text-to-Audio Generation},
  author    = {Yuan, Yi and Liu, Haohe and Liu, Xubo and Huang, Qiushi and Plumbley, Mark D. and Wang, Wenwu},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year      = {2024},
  note      = {arXiv:2309.08051}
}</pre>
"""

ALERTS = alerts_section(70)
LISTEN = listen_section(100)
AUDIT = audit_section(110)
PROVENANCE = provenance_section(120, CITATION)
