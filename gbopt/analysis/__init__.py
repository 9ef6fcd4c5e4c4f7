"""From a trajectory to observables with error bars; knows no engine, no structure library."""
