"""ErrorBarGPR: a Gaussian process that knows the error bar of every observation."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor as SklearnGPR
from skopt.learning import GaussianProcessRegressor as SkoptGPR
from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Array = NDArray[np.float64]

# Length scales in units of the range of a variable: half the range, give or take a factor e.
LENGTH_MEDIAN = 0.5
LENGTH_LOG_SD = 1.0
# Variance of the true values, in units of the spread squared. Fitted to a few noisy values it
# would go to zero, and every prediction would claim to be exact.
AMPLITUDE = (0.25, 20.0)
# Variance of the mean of all true values, which a few evaluations know no better than this.
MEAN_VARIANCE = 1.0
# Share of the variance of the values that known error bars may leave unexplained. With no such
# limit one deep narrow minimum, however precisely measured, turns the whole model into noise.
MOST_UNEXPLAINED = 0.1


class TiedMatern(Matern):  # type: ignore[misc]  # scikit-optimize has no types
    """Matern kernel with one length scale per variable, not one per column.

    The one-hot columns of a category share the length scale of that category, so a category of
    five choices adds one parameter to fit instead of five.

    Args:
        groups: for each column the index of its variable, from 0.
        length_scale: one per variable, in units of the columns.
        length_scale_bounds: least and greatest length scale.
        nu: smoothness; 2.5 is twice differentiable.
    """

    def __init__(
        self,
        groups: tuple[int, ...],
        length_scale: Any,
        length_scale_bounds: tuple[float, float],
        nu: float = 2.5,
    ) -> None:
        super().__init__(length_scale, length_scale_bounds, nu)
        self.groups = groups

    def __call__(self, X: Array, Y: Array | None = None, eval_gradient: bool = False) -> Any:
        """Return the kernel matrix, and its gradient by the log length scales where asked."""
        columns = np.asarray(self.groups)
        scales = np.atleast_1d(self.length_scale)[columns]
        per_column = Matern(scales, self.length_scale_bounds, self.nu)
        if not eval_gradient:
            return per_column(X, Y)
        kernel, gradient = per_column(X, eval_gradient=True)
        # A tied parameter moves all its columns at once: the chain rule adds their gradients.
        return kernel, gradient @ np.eye(columns.max() + 1)[columns]


class ErrorBarGPR(SkoptGPR):  # type: ignore[misc]  # scikit-optimize has no types
    """Gaussian process regression on standardised values with known error bars.

    Kernel: amplitude x Matern 5/2 with a length scale per variable, plus a constant for the
    unknown mean, plus white noise for what the error bars leave unexplained. The
    hyperparameters maximise the marginal likelihood
    (Rasmussen and Williams 2006, eq. 5.8) times a log-normal prior on the length scales: with
    a dozen points the likelihood alone often puts them on a bound.

    Args:
        groups: for each column of X the index of its variable, from 0.
        alpha: (n,) variance of each value: its error bar squared, on the scale of y. Where
            all are 0 no error bar is known, and all the scatter may be noise.
    """

    def __init__(self, groups: tuple[int, ...], alpha: Array) -> None:
        self.groups = groups
        scales = np.full(max(groups) + 1, LENGTH_MEDIAN)
        kernel = ConstantKernel(1.0, AMPLITUDE) * TiedMatern(groups, scales, (0.02, 50.0))
        kernel += ConstantKernel(MEAN_VARIANCE, "fixed")
        most = MOST_UNEXPLAINED if np.any(alpha) else 1.0
        super().__init__(
            kernel=kernel + WhiteKernel(1e-2, (1e-6, most)),
            alpha=alpha,
            noise="gaussian",  # the white part is left out of predictions
            n_restarts_optimizer=2,
            random_state=0,  # the model is a function of the data alone
        )

    def fit(self, X: Array, y: Array) -> ErrorBarGPR:
        """Fit to X, (n, columns), and y, (n,) with a mean near 0 and a spread near 1."""
        with warnings.catch_warnings():
            # A hyperparameter on its bound is an answer here, not a failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            super().fit(X, y)
        return self

    def predict(self, X: Array, return_std: bool = False) -> Any:
        """Return the posterior mean, (n,), and its standard deviation where asked.

        scikit-learn's formula is used in place of scikit-optimize's: it solves with the
        Cholesky factor, which is stabler and faster than the explicit inverse.
        """
        with warnings.catch_warnings():
            # Rounding at a noise-free observation; the variance is then set to 0.
            warnings.filterwarnings("ignore", "Predicted variances smaller than 0", UserWarning)
            return SklearnGPR.predict(self, X, return_std=return_std)

    def log_marginal_likelihood(
        self,
        theta: Array | None = None,
        eval_gradient: bool = False,
        clone_kernel: bool = True,
    ) -> Any:
        """Return the log posterior of the hyperparameters, and its gradient where asked."""
        result = super().log_marginal_likelihood(theta, eval_gradient, clone_kernel)
        if theta is None:
            return result
        # theta holds the logs of: amplitude, length scales, white noise.
        z = (theta[1:-1] - math.log(LENGTH_MEDIAN)) / LENGTH_LOG_SD
        log_prior = -0.5 * float(z @ z)
        if not eval_gradient:
            return result + log_prior
        slope = np.concatenate([[0.0], -z / LENGTH_LOG_SD, [0.0]])
        return result[0] + log_prior, result[1] + slope
