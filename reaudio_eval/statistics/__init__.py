"""Statistics of scores: class means, intervals, tests, trends."""
