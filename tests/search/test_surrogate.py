from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from gbopt.search.surrogate import ErrorBarGPR

X = np.linspace(0, 1, 9)[:, None]
Y = np.sin(5 * X[:, 0])


def test_interpolates_noise_free_values():
    model = ErrorBarGPR((0,), np.zeros(9)).fit(X, Y)
    mean, sd = model.predict(X, return_std=True)
    assert mean == pytest.approx(Y, abs=0.01)
    assert sd.max() < 0.02
    between = np.array([[0.3], [0.8]])
    assert model.predict(between) == pytest.approx(np.sin(5 * between[:, 0]), abs=0.05)


def test_a_value_with_a_large_error_bar_is_ignored():
    wrong = Y.copy()
    wrong[4] -= 3.0
    alpha = np.full(9, 1e-6)
    alpha[4] = 25.0
    model = ErrorBarGPR((0,), alpha).fit(X, wrong)
    assert model.predict(X[4:5])[0] == pytest.approx(Y[4], abs=0.1)


def test_replicates_average_with_their_weights():
    point = np.full((2, 1), 0.5)
    x = np.concatenate([X, point])
    y = np.concatenate([Y, [Y[4] + 0.2, Y[4] - 1.0]])
    alpha = np.concatenate([np.full(9, 1e-4), [1e-4, 4.0]])
    mean = ErrorBarGPR((0,), alpha).fit(x, y).predict(point[:1])[0]
    assert Y[4] - 0.05 < mean < Y[4] + 0.2


def test_scatter_is_noise_only_where_no_error_bar_denies_it():
    y = np.random.default_rng(0).normal(size=40)
    x = np.repeat(np.linspace(0, 1, 4), 10)[:, None]
    assert ErrorBarGPR((0,), np.zeros(40)).fit(x, y).noise_ > 0.5
    assert ErrorBarGPR((0,), np.full(40, 1.0)).fit(x, y).noise_ < 0.1
    assert ErrorBarGPR((0,), np.full(40, 1e-4)).fit(x, y).noise_ == pytest.approx(0.1)


def test_columns_of_one_category_share_a_length_scale():
    rng = np.random.default_rng(0)
    one_hot = np.eye(4)[rng.integers(4, size=20)]
    x = np.hstack([rng.random((20, 1)), one_hot])
    y = x[:, 0] + one_hot[:, 2]
    model = ErrorBarGPR((0, 1, 1, 1, 1), np.full(20, 1e-4)).fit(x, y)
    # amplitude, two length scales, white noise; the last is zeroed for predictions
    assert len(model.kernel.theta) == 4
    assert np.size(model.kernel_.k1.k1.k2.length_scale) == 2


def test_gradient_of_the_log_posterior():
    rng = np.random.default_rng(1)
    x = np.hstack([rng.random((12, 2)), np.eye(3)[rng.integers(3, size=12)]])
    model = ErrorBarGPR((0, 1, 2, 2, 2), np.full(12, 0.01)).fit(x, rng.normal(size=12))
    model.kernel_ = clone(model.kernel)
    theta = model.kernel.theta + 0.3
    _, gradient = model.log_marginal_likelihood(theta, eval_gradient=True)
    for i, step in enumerate(1e-5 * np.eye(len(theta))):
        up, down = (model.log_marginal_likelihood(theta + s) for s in (step, -step))
        assert gradient[i] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-5)
