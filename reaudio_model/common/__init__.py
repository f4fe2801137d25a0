"""What both packages stand on: errors, files, audio, weights, progress. Nothing here knows a model or a metric."""
