"""The models of the objective: a Gaussian process, or a forest, that knows every error bar."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor as SklearnGPR
from sklearn.gaussian_process.kernels import Hyperparameter
from skopt.learning import ExtraTreesRegressor, RandomForestRegressor
from skopt.learning import GaussianProcessRegressor as SkoptGPR
from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Array = NDArray[np.float64]

# Length scales in units of the range of a variable, give or take a factor e; of a category in
# units of the columns, where two choices are 1.4 apart.
LENGTH_MEDIAN = 0.5
CATEGORY_MEDIAN = 1.5
LENGTH_LOG_SD = 1.0
# Variance of the true values, in units of the spread squared. Fitted to a few noisy values it
# would go to zero, and every prediction would claim to be exact.
AMPLITUDE = (0.25, 20.0)
# Variance of the mean of all true values, which a few evaluations know no better than this.
MEAN_VARIANCE = 1.0
# The rough part: so many times shorter, and its share of the variance.
ROUGHNESS = 10.0
ROUGH = (1e-3, 0.5)
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


class SmoothAndRough(TiedMatern):
    """A smooth Matern kernel plus the same on a tenth of its length scales.

    Resistances change smoothly with angle and width but for a few special boundaries (cusps).
    With the smooth part alone a single low value, however precise, is taken for noise.

    Args:
        groups: for each column the index of its variable, from 0.
        length_scale: one per variable, in units of the columns.
        length_scale_bounds: least and greatest length scale.
        rough: variance of the rough part over that of the smooth part.
        rough_bounds: least and greatest of that.
    """

    def __init__(
        self,
        groups: tuple[int, ...],
        length_scale: Any,
        length_scale_bounds: tuple[float, float],
        rough: float,
        rough_bounds: tuple[float, float],
    ) -> None:
        super().__init__(groups, length_scale, length_scale_bounds)
        self.rough = rough
        self.rough_bounds = rough_bounds

    @property
    def hyperparameter_rough(self) -> Hyperparameter:
        """What scikit-learn asks of a parameter that is fitted."""
        return Hyperparameter("rough", "numeric", self.rough_bounds)

    def __call__(self, X: Array, Y: Array | None = None, eval_gradient: bool = False) -> Any:
        """Return the kernel matrix; its gradient is in ``ErrorBarGPR.log_marginal_likelihood``."""
        if eval_gradient:
            raise NotImplementedError("ErrorBarGPR has the gradient")
        scales = np.atleast_1d(self.length_scale)[np.asarray(self.groups)]
        r = math.sqrt(5.0) * cdist(X / scales, (X if Y is None else Y) / scales)
        fine = ROUGHNESS * r
        return _matern(r, np.exp(-r)) + self.rough * _matern(fine, np.exp(-fine))

    def diag(self, X: Array) -> Array:
        """Return the diagonal of the kernel matrix."""
        return np.full(len(X), 1.0 + self.rough)


def _matern(r: Array, fade: Array) -> Array:
    """Matern correlation of smoothness 5/2, at sqrt(5) times distances in length scales.

    ``fade`` is exp(-r), which the slope needs as well.
    """
    return np.asarray((1 + r * (1 + r / 3)) * fade)


def _matern_slope(r: Array, fade: Array) -> Array:
    """Its derivative by the log of a length scale, over the squared distance in that variable."""
    return np.asarray((5.0 / 3.0) * (1 + r) * fade)


class ErrorBarGPR(SkoptGPR):  # type: ignore[misc]  # scikit-optimize has no types
    """Gaussian process regression on standardised values with known error bars.

    Kernel: amplitude x Matern 5/2, smooth and rough, with a length scale per variable, plus a
    constant for the unknown mean, plus white noise for what the error bars leave unexplained. The
    hyperparameters maximise the marginal likelihood
    (Rasmussen and Williams 2006, eq. 5.8) times a log-normal prior on the length scales: with
    a dozen points the likelihood alone often puts them on a bound.

    Args:
        groups: for each column of X the index of its variable, from 0.
        medians: for each variable the median of the prior of its length scale, in units of the
            columns.
        alpha: (n,) variance of each value: its error bar squared, on the scale of y.
        errors_known: whether error bars are known; where not, all the scatter may be noise.
        theta: logs of the hyperparameters, as ``fitted_theta`` gives them; None: they are fitted.
    """

    def __init__(
        self,
        groups: tuple[int, ...],
        medians: tuple[float, ...],
        alpha: Array,
        errors_known: bool = True,
        theta: tuple[float, ...] | None = None,
    ) -> None:
        self.groups = groups
        self.medians = medians
        self.errors_known = errors_known
        self.theta = theta
        self._pairs_of: Array | None = None
        scales = np.array(medians)
        matern = SmoothAndRough(groups, scales, (0.02, 50.0), 0.03, ROUGH)
        kernel = ConstantKernel(1.0, AMPLITUDE) * matern
        kernel += ConstantKernel(MEAN_VARIANCE, "fixed")
        most = MOST_UNEXPLAINED if errors_known else 1.0
        kernel += WhiteKernel(1e-2, (1e-6, most))
        if theta is not None:
            kernel.theta = np.array(theta)
        super().__init__(
            kernel=kernel,
            alpha=alpha,
            noise="gaussian",  # the white part is left out of predictions
            optimizer="fmin_l_bfgs_b" if theta is None else None,
            n_restarts_optimizer=2 if theta is None else 0,
            random_state=0,  # the model is a function of the data alone
        )

    def fit(self, X: Array, y: Array) -> ErrorBarGPR:
        """Fit to X, (n, columns), and y, (n,) with a mean near 0 and a spread near 1."""
        with warnings.catch_warnings():
            # A hyperparameter on its bound is an answer here, not a failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            super().fit(X, y)
        return self

    @property
    def fitted_theta(self) -> tuple[float, ...]:
        """Logs of the fitted hyperparameters, the white noise included."""
        with np.errstate(divide="ignore"):
            theta = self.kernel_.theta.copy()  # without the white part, which predictions leave out
        theta[-1] = math.log(self.noise_)
        return tuple(theta.tolist())

    def covariance(self, X: Array, Y: Array) -> Array:
        """Return the posterior covariance of the true values at X and Y, (n, m)."""
        to_x, to_y = self.kernel_(self.X_train_, X), self.kernel_(self.X_train_, Y)
        explained = solve_triangular(self.L_, np.hstack([to_x, to_y]), lower=True)
        prior = self.kernel_(X, Y)
        return np.asarray(prior - explained[:, : len(X)].T @ explained[:, len(X) :])

    def left_out(self, blocks: NDArray[np.intp]) -> tuple[Array, Array]:
        """Predict each training value from those of all other blocks.

        The hyperparameters stay those of all data (Rasmussen and Williams 2006, eq. 5.12, for
        blocks of values that are left out together).

        Args:
            blocks: (n,) index of the block of each value.

        Returns:
            Mean and standard deviation, noise included, of each value, (n,) each.
        """
        mean, sd = np.empty(len(blocks)), np.empty(len(blocks))
        for block in np.unique(blocks):
            inside = np.flatnonzero(blocks == block)
            variance = np.linalg.inv(self.K_inv_[np.ix_(inside, inside)])
            mean[inside] = self.y_train_[inside] - variance @ self.alpha_[inside]
            sd[inside] = np.sqrt(np.diag(variance))
        return mean, sd

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
        clone_kernel: bool = True,  # noqa: ARG002 - scikit-learn calls it so
    ) -> Any:
        """Return the log posterior of the hyperparameters, and its gradient where asked.

        The same as scikit-learn's value (a test compares them) plus the log prior, in a fifth of
        the time: distances are computed once, not at every step, and of each pair of points once.
        """
        if theta is None:
            return self.log_marginal_likelihood_value_
        # theta holds the logs of: amplitude, length scales, rough part, white noise.
        amplitude, rough, white = (math.exp(theta[i]) for i in (0, -2, -1))
        pairs, distances2 = self._pairs
        inverse2 = np.exp(-2 * theta[1:-2])
        r = np.sqrt(5.0 * (inverse2 @ distances2))
        fade, fine_fade = np.exp(-r), np.exp(-ROUGHNESS * r)
        fine = _matern(ROUGHNESS * r, fine_fade)
        signal = amplitude * (_matern(r, fade) + rough * fine)
        noisy = np.asarray(self.alpha) + white
        matrix = np.diag(amplitude * (1 + rough) + MEAN_VARIANCE + noisy)
        np.put(matrix, pairs, signal + MEAN_VARIANCE)
        try:
            factor = cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            return (-math.inf, np.zeros_like(theta)) if eval_gradient else -math.inf
        weights = cho_solve(factor, self.y_train_, check_finite=False)
        z = (theta[1:-2] - np.log(self.medians)) / LENGTH_LOG_SD
        value = -0.5 * float(self.y_train_ @ weights + z @ z + len(noisy) * math.log(2 * math.pi))
        value -= float(np.log(np.diag(factor[0])).sum())
        if not eval_gradient:
            return value
        inverse, _ = dpotri(factor[0], lower=1)
        slope = np.take(np.outer(weights, weights) - inverse.T, pairs)
        trace = float(weights @ weights - np.trace(inverse))
        fine_slope = ROUGHNESS**2 * _matern_slope(ROUGHNESS * r, fine_fade)
        by_distance = amplitude * slope * (_matern_slope(r, fade) + rough * fine_slope)
        by_amplitude = slope @ signal + 0.5 * amplitude * (1 + rough) * trace
        by_length = inverse2 * (distances2 @ by_distance) - z / LENGTH_LOG_SD
        by_rough = amplitude * rough * (slope @ fine + 0.5 * trace)
        return value, np.array([by_amplitude, *by_length, by_rough, 0.5 * white * trace])

    @property
    def _pairs(self) -> tuple[NDArray[np.intp], Array]:
        """Places of pairs of points in a flat matrix, and squared distances (variables, pairs)."""
        X = self.X_train_
        if self._pairs_of is not X:
            rows, columns = np.triu_indices(len(X), 1)
            found = np.zeros((max(self.groups) + 1, len(rows)))
            for group, x in zip(self.groups, X.T, strict=True):
                found[group] += (x[rows] - x[columns]) ** 2
            self._pairs_of, self._found_pairs = X, (rows * len(X) + columns, found)
        return self._found_pairs


class _ErrorBarForest:
    """A forest to which a value counts by 1 / (error bar^2 + spread of its neighbours^2)."""

    alpha: Array

    def fit(self, X: Array, y: Array) -> Any:
        """Fit to X, (n, columns), and y, (n,) with a mean near 0 and a spread near 1."""
        # A tenth of the variance stands for what the trees leave unexplained: without it one
        # precise value would outweigh all others.
        weights = 1.0 / (np.asarray(self.alpha) + MOST_UNEXPLAINED)
        return super().fit(X, y, sample_weight=weights)  # type: ignore[misc]


class ErrorBarExtraTrees(_ErrorBarForest, ExtraTreesRegressor):  # type: ignore[misc]
    """Extremely randomised trees of scikit-optimize; the trees differ by the uncertainty.

    Args:
        alpha: (n,) variance of each value.
    """

    def __init__(self, alpha: Array) -> None:
        self.alpha = alpha
        super().__init__(n_estimators=100, min_samples_leaf=2, random_state=0)


class ErrorBarRandomForest(_ErrorBarForest, RandomForestRegressor):  # type: ignore[misc]
    """Random forest of scikit-optimize; the trees differ by the uncertainty.

    Args:
        alpha: (n,) variance of each value.
    """

    def __init__(self, alpha: Array) -> None:
        self.alpha = alpha
        super().__init__(n_estimators=100, min_samples_leaf=2, random_state=0)
