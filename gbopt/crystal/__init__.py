"""LLZO itself: phases, sites, Li ordering, and the geometry of periodic cells."""
