from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor

from gbopt.search.posterior import fit_posterior
from gbopt.search.surrogate import ErrorBarExtraTrees, ErrorBarGPR, ErrorBarRandomForest

from .landscape import SPACE, history


def gpr(alpha, groups=(0,)):
    return ErrorBarGPR(groups, (0.5,) * (max(groups) + 1), alpha, bool(np.any(alpha)))


X = np.linspace(0, 1, 9)[:, None]
Y = np.sin(5 * X[:, 0])


def test_interpolates_noise_free_values():
    model = gpr(np.zeros(9)).fit(X, Y)
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
    model = gpr(alpha).fit(X, wrong)
    assert model.predict(X[4:5])[0] == pytest.approx(Y[4], abs=0.1)


def test_replicates_average_with_their_weights():
    point = np.full((2, 1), 0.5)
    x = np.concatenate([X, point])
    y = np.concatenate([Y, [Y[4] + 0.2, Y[4] - 1.0]])
    alpha = np.concatenate([np.full(9, 1e-4), [1e-4, 4.0]])
    mean = gpr(alpha).fit(x, y).predict(point[:1])[0]
    assert Y[4] - 0.05 < mean < Y[4] + 0.2


def test_scatter_is_noise_only_where_no_error_bar_denies_it():
    y = np.random.default_rng(0).normal(size=40)
    x = np.repeat(np.linspace(0, 1, 4), 10)[:, None]
    assert gpr(np.zeros(40)).fit(x, y).noise_ > 0.5
    assert gpr(np.full(40, 1.0)).fit(x, y).noise_ < 0.1
    assert gpr(np.full(40, 1e-4)).fit(x, y).noise_ == pytest.approx(0.1)


def test_columns_of_one_category_share_a_length_scale():
    rng = np.random.default_rng(0)
    one_hot = np.eye(4)[rng.integers(4, size=20)]
    x = np.hstack([rng.random((20, 1)), one_hot])
    y = x[:, 0] + one_hot[:, 2]
    model = gpr(np.full(20, 1e-4), (0, 1, 1, 1, 1)).fit(x, y)
    # amplitude, two length scales, rough part, white noise; the last is zeroed for predictions
    assert len(model.kernel.theta) == 5
    assert np.size(model.kernel_.k1.k1.k2.length_scale) == 2


def test_gradient_of_the_log_posterior():
    rng = np.random.default_rng(1)
    x = np.hstack([rng.random((12, 2)), np.eye(3)[rng.integers(3, size=12)]])
    model = gpr(np.full(12, 0.01), (0, 1, 2, 2, 2)).fit(x, rng.normal(size=12))
    theta = model.kernel.theta + 0.3
    value, gradient = model.log_marginal_likelihood(theta, eval_gradient=True)
    plain = GaussianProcessRegressor(
        model.kernel.clone_with_theta(theta), alpha=0.01, optimizer=None
    )
    plain.fit(x, model.y_train_)
    z = theta[1:-2] - np.log(0.5)
    assert value == pytest.approx(plain.log_marginal_likelihood(theta) - 0.5 * z @ z, abs=1e-9)
    for i, step in enumerate(1e-5 * np.eye(len(theta))):
        up, down = (model.log_marginal_likelihood(theta + s) for s in (step, -step))
        assert gradient[i] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-5)


def test_a_special_point_among_smooth_ones_is_believed():
    """A cusp seen four times over: smooth alone, the model would call it noise."""
    x = np.linspace(0, 1, 21)[:, None]
    y = np.sin(3 * x[:, 0])
    x, y = np.vstack([x, np.full((4, 1), 0.62)]), np.append(y, np.full(4, -0.5))
    mean, sd = gpr(np.full(25, 0.01)).fit(x, y).predict(np.array([[0.62], [0.7]]), return_std=True)
    assert mean[0] == pytest.approx(-0.5, abs=0.2)
    assert mean[1] > 0.4  # and its neighbours are not drawn down with it
    assert sd[0] < 0.15


def test_values_left_out_are_predicted_as_by_a_model_without_them():
    rng = np.random.default_rng(2)
    x = rng.random((15, 2))
    x[3] = x[7]  # replicates are left out together
    y, alpha = np.sin(4 * x[:, 0]) + x[:, 1], rng.uniform(1e-3, 0.1, 15)
    model = gpr(alpha, (0, 1)).fit(x, y)
    blocks = np.arange(15)
    blocks[7] = 3
    mean, sd = model.left_out(blocks)
    for block in (3, 10):
        rest = blocks != block
        fixed = ErrorBarGPR((0, 1), (0.5, 0.5), alpha[rest], theta=model.fitted_theta)
        expected, spread = fixed.fit(x[rest], y[rest]).predict(x[~rest], return_std=True)
        assert mean[~rest] == pytest.approx(expected, abs=1e-8)
        whole = np.sqrt(spread**2 + alpha[~rest] + model.noise_)
        assert sd[~rest] == pytest.approx(whole, abs=1e-8)


def test_the_covariance_has_the_variances_on_its_diagonal():
    rng = np.random.default_rng(3)
    x = rng.random((12, 2))
    model = gpr(np.full(12, 0.01), (0, 1)).fit(x, np.sin(5 * x[:, 0]))
    at = rng.random((5, 2))
    _, sd = model.predict(at, return_std=True)
    covariance = model.covariance(at, at)
    assert np.diag(covariance) == pytest.approx(sd**2, abs=1e-10)
    assert covariance == pytest.approx(covariance.T)


@pytest.mark.parametrize("forest", [ErrorBarExtraTrees, ErrorBarRandomForest])
def test_a_forest_weighs_values_by_their_error_bars(forest):
    x = np.repeat(np.linspace(0, 1, 10), 6)[:, None]
    alpha = np.tile([0.01, 25.0, 25.0, 25.0, 25.0, 25.0], 10)
    y = np.where(alpha < 1, x[:, 0], x[:, 0] + 2)
    mean, sd = forest(alpha).fit(x, y).predict(x, return_std=True)
    assert np.abs(mean - x[:, 0]).max() < 0.5  # the plain mean is 1.7 off
    assert (sd >= 0).all()
    assert sd.max() > 0


def test_without_some_evaluations_a_posterior_forgets_their_values_and_keeps_hyperparameters():
    told = history(24)
    told[3] = replace(told[3], bound="lower")
    whole, away = fit_posterior(SPACE, told), {5, 20, 21, 22, 23}
    part = whole.without(away)
    assert part.theta == pytest.approx(whole.theta)
    assert part.centre == pytest.approx(
        np.mean([o.value for o in told if o.number not in away | {3}])
    )
    wrong = tuple(replace(o, value=1e3) if o.number in away else o for o in whole.told)
    points = [o.params for o in told]
    other = replace(whole, told=wrong).without(away)
    assert np.array(part.predict(points)) == pytest.approx(np.array(other.predict(points)))
    assert np.abs(part.predict(points)[0] - whole.predict(points)[0]).max() > 1e-3
