"""The default filler: PatchMatch, then a network, then grain."""
