"""One campaign: open, run, resume, stop; and a read-only view of it."""
