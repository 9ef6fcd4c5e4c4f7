"""The command line: parsing and printing, nothing else. Heavy imports live inside functions."""
