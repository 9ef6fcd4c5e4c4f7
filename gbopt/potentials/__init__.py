"""Interatomic potentials as data: parameters, citation, validity, and how LAMMPS is told."""
