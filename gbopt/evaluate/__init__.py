"""One candidate end to end, and the bulk reference it is compared with."""
