"""Features of clips: waveforms, embedders, audit and cache."""
