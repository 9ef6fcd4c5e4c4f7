"""Bicrystal -> Trajectory: protocol stages, LAMMPS in a child process, streamed frames."""
