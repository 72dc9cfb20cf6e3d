"""Nearly dependent channels go the QR way by themselves, and digits are kept."""

import numpy as np
import pytest

from tfprune.similarity import Comparison, mean_cca, pwcca
from tfprune.similarity.factorizations import StreamingR, orthonormal_basis, stand_in_rows
from tfprune.similarity.rows import pair_from_rows


def ill_conditioned(condition, n=1500, d=12, seed=0):
    """Return x, y with condition number `condition` each, and their canonical correlations."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, 2 * d))]))[0][:, 1:]
    rho = np.linspace(0.05, 0.95, d)

    def mix():
        left, right = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
        return left * np.geomspace(1, 1 / condition, d) @ right

    y = q[:, :d] * rho + q[:, d:] * np.sqrt(1 - rho**2)
    return q[:, :d] @ mix() + 3.0, y @ mix() - 1.0, rho


@pytest.mark.parametrize(("condition", "tolerance"), [(1e4, 1e-9), (1e6, 1e-8), (1e8, 1e-6)])
@pytest.mark.parametrize("memory", [0, 2**29], ids=["streamed", "rows kept"])
def test_ill_conditioned_layers_keep_their_digits(condition, tolerance, memory):
    x, y, rho = ill_conditioned(condition)
    comparison = Comparison(
        [("x", "y")], measures=["cca", "pwcca"], blocks=0, permutations=0, memory=memory
    )
    for start in range(0, len(x), 300):
        comparison.update({"x": x[start : start + 300]}, {"y": y[start : start + 300]})
    found = comparison.scores()
    assert found["x", "y", "cca"].value == pytest.approx(rho.mean(), abs=tolerance)
    assert found["x", "y", "cca"].rank == 12
    assert found["x", "y", "pwcca"].value == pytest.approx(pwcca(x, y), abs=10 * tolerance)
    assert mean_cca(x, y) == pytest.approx(rho.mean(), abs=tolerance)


def test_cross_products_alone_would_lose_them():
    x, y, rho = ill_conditioned(1e6)
    pair = pair_from_rows(x, y)
    assert pair.x.needs_qr
    pair._stand_in = None
    assert pair.is_coarse
    assert abs(pair.correlations.mean() - rho.mean()) > 1e-7


@pytest.mark.parametrize(("rest", "needed"), [(0.3, False), (1e-8, False), (1e-10, True)])
def test_qr_begins_where_a_channel_keeps_less_than_a_billionth_beside_the_others(rest, needed):
    """The last pivot of two unit channels is what of the second lies outside the first."""
    rng = np.random.default_rng(0)
    q = np.linalg.qr(np.column_stack([np.ones(200), rng.normal(size=(200, 2))]))[0][:, 1:]
    x = np.column_stack([q[:, 0], np.sqrt(1 - rest) * q[:, 0] + np.sqrt(rest) * q[:, 1]])
    side = pair_from_rows(x, q).x
    assert side.whitening.smallest_pivot == pytest.approx(rest, rel=1e-3)
    assert side.needs_qr == needed


def test_well_conditioned_layers_do_not_pay_for_qr():
    x, y, _ = ill_conditioned(10.0)
    pair = pair_from_rows(x, y)
    assert not pair.x.needs_qr
    assert not pair.y.needs_qr


def test_streamed_r_has_the_inner_products_of_the_centred_rows_and_merges():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(200, 3)) + 5.0, rng.normal(size=(200, 4))
    one, other = StreamingR(x[0], y[0]), StreamingR(x[7], y[9])
    one.update(x[:90], y[:90])
    other.update(x[90:], y[90:])
    one.merge(other)
    rx, ry = one.stand_in()
    cx, cy = x - x.mean(0), y - y.mean(0)
    np.testing.assert_allclose(rx.T @ ry, cx.T @ cy, atol=1e-10)
    np.testing.assert_allclose(rx.T @ rx, cx.T @ cx, atol=1e-10)
    sx, sy = stand_in_rows(x, y)
    np.testing.assert_allclose(sx.T @ sy, cx.T @ cy, atol=1e-10)
    assert len(sx) <= 7


def test_rounding_of_float32_input_is_not_taken_for_a_direction():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(500, 4)).astype(np.float32)
    x = np.column_stack([x, (x[:, :1] + x[:, 1:2]).astype(np.float32)])  # dependent up to rounding
    y = rng.normal(size=(500, 3)).astype(np.float32)
    pair = pair_from_rows(x, y)
    assert pair.ranks == (4, 3)
    basis = orthonormal_basis(stand_in_rows(x, y)[0], pair.x.live, pair.x.tolerance)
    assert basis.shape[1] == 4


@pytest.mark.parametrize("mean", [0.0, 100.0, -1e4])
def test_float32_in_one_piece_agrees_with_chunks(mean, monkeypatch):
    rng = np.random.default_rng(8)
    x = (rng.normal(size=(1000, 12)) @ rng.normal(size=(12, 12)) + mean).astype(np.float32)
    y = (x - np.float32(mean) + rng.normal(size=x.shape)).astype(np.float32)
    x[:, 3] = 0.0  # dead
    x[:, 5] = 123.456  # constant elsewhere
    pieces = {}
    for float32_rows in (16384, 0):
        monkeypatch.setattr("tfprune.similarity.rows.FLOAT32_ROWS", float32_rows)
        pair = pair_from_rows(x, y, dtype=np.float32)
        assert set(range(12)) - set(pair.x.live) == {3, 5}
        pieces[float32_rows] = pair
    whole, chunked = pieces.values()
    size = np.sqrt(np.outer(np.diagonal(chunked.x.scatter), np.diagonal(chunked.y.scatter)))
    live = chunked.x.live
    error = np.abs(whole.cross - chunked.cross)[live] / size[live]
    assert error.max() < 1e-6 * max(1.0, abs(mean))
    norms = [np.sum(m**2) for m in (whole.cross, whole.x.scatter, whole.y.scatter)]
    np.testing.assert_allclose(whole.squared_norms, norms, rtol=1e-6)
    turned = whole.swapped()
    np.testing.assert_allclose(turned.cross, whole.cross.T, rtol=1e-12)
    assert turned.squared_norms[1:] == whole.squared_norms[:0:-1]
    assert turned.moments.norms == pytest.approx(whole.moments.norms)
    np.testing.assert_allclose(whole.hsic1(), chunked.hsic1(), rtol=1e-6 * max(1.0, abs(mean)))
    norms = chunked.moments.norms, chunked.x.moments.norms, chunked.y.moments.norms
    for part, norm in zip((whole.moments, whole.x.moments, whole.y.moments), norms, strict=True):
        assert part.norms == pytest.approx(norm, rel=1e-6 * max(1.0, abs(mean)))
    np.testing.assert_allclose(whole.x.mean, chunked.x.mean, rtol=1e-6, atol=1e-6)


def test_sides_in_two_threads_are_those_in_one(monkeypatch):
    x, y = np.random.default_rng(3).normal(size=(2, 300, 40)).astype(np.float32)
    y[:, :20] += x[:, :20]
    found = []
    for worth, cores in ((1, 2), (1 << 60, 2), (1, 8)):
        monkeypatch.setattr("tfprune.similarity.rows._WORTH_A_THREAD", worth)
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        pair = pair_from_rows(x, y, dtype=np.float32)
        found.append([pair.cross, pair.x.scatter, pair.y.scatter, pair.x.mean, pair.y.mean])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-3)


def test_float32_constant_columns_are_centred_exactly():
    x = np.random.default_rng(4).normal(size=(400, 6)).astype(np.float32)
    x[:, 2] = 1234.567
    pair = pair_from_rows(x, x.copy(), dtype=np.float32)
    assert not pair.x.scatter[2].any()
    assert not pair.cross[:, 2].any()


@pytest.mark.parametrize("condition", [1e4, 1e5, 3e5, 1e6])
def test_float32_rows_lose_more_by_their_own_rounding_than_by_moments(condition):
    x, y, rho = ill_conditioned(condition, n=20_000)
    x, y = x.astype(np.float32), y.astype(np.float32)
    streamed = Comparison([("x", "y")], measures=["cca"], blocks=0, permutations=0, memory=0)
    streamed.update({"x": x}, {"y": y})
    assert streamed.accumulator.factors == {}
    score = streamed.scores()["x", "y", "cca"]
    exact = mean_cca(x.astype(np.float64), y.astype(np.float64))  # by QR
    by_rounding = abs(exact - rho.mean())
    assert abs(float(score) - exact) <= max(1e-6, 0.2 * by_rounding)
