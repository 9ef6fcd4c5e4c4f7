"""Settings of the test run, made before anything else is imported."""

import os

# Two test processes on two cores: threads of the linear algebra would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
