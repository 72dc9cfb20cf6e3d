"""Pairs of layers whose similarity over all images there could be is known without sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special, stats

from tfprune.similarity.measure import find_measure
from tfprune.similarity.moments import CentredSums
from tfprune.similarity.pair import Pair
from tfprune.similarity.side import Side

Array = np.ndarray

#: rows that a population stands for where a measure asks: no measure sees a difference to more
_ENDLESS = 1e12


@dataclass(frozen=True)
class Population:
    """Two layers over images that are drawn at random: widths, kind, and what makes them hard.

    `kind` gaussian: canonical correlations are prescribed (`level` times i^-decay), directions are
    mixed at random into channels, principal variances fall as i^-spectrum. relu: both layers are
    ReLUs of random linear maps of a Gaussian input of twice their width whose variances fall as
    i^-spectrum; the second map is the first with a share `pruned` of its weights at 0, plus noise;
    its first `lost` channels see inputs of their own, which the first layer does not see.
    `dead_a`, `dead_b` channels are 0 for every image. With `pixels` > 0 an image is so many squared
    positions whose inputs correlate by `alike`; each position is a row. The outermost positions of
    all images are shifted alike, by `border` deviations of a channel times a number of its own, as
    zero padding does.

    What intervals must not be taken from: a share `outliers` of images has activations `strength`
    times as strong; with `freedom` all of an image's have the scale of one draw of Student's t with
    so many degrees of freedom; ReLUs are active on a share `active` of images; each image comes
    `copies` times, each time with `jitter` of its inputs' deviation added.
    """

    kind: str
    width_a: int
    width_b: int
    spectrum: float = 1.0
    level: float = 0.98
    decay: float = 0.4
    pruned: float = 0.5
    noise: float = 0.3
    dead_a: int = 0
    dead_b: int = 0
    lost: int = 0
    pixels: int = 0
    alike: float = 0.5
    border: float = 0.0
    outliers: float = 0.0
    strength: float = 1.0
    freedom: float = math.inf
    active: float = 0.5
    copies: int = 1
    jitter: float = 0.0
    seed: int = 0

    @cached_property
    def _maps(self) -> tuple[Array, Array]:
        """Return the maps (m, width_a), (m, width_b) from white Gaussian inputs to channels."""
        rng = np.random.default_rng((self.seed, self.width_a, self.width_b))
        if self.kind == "gaussian":
            return self._prescribed(rng)
        m = 2 * max(self.width_a, self.width_b)
        first = rng.normal(size=(m, self.width_a))
        second = first[:, : self.width_b] * (rng.random((m, self.width_b)) > self.pruned)
        second = second + self.noise * rng.normal(size=second.shape)
        first[:, first.shape[1] - self.dead_a :] = 0.0
        second[:, second.shape[1] - self.dead_b :] = 0.0
        size = np.arange(1, m + 1) ** (-self.spectrum / 2)
        first, second = size[:, None] * first, size[:, None] * second
        if self.lost:
            alone = np.zeros((m, self.width_b))
            alone[:, : self.lost] = second[:, : self.lost]
            first = np.concatenate([first, np.zeros_like(first)])
            second = np.concatenate([second - alone, alone])
        return first, second

    def _prescribed(self, rng: np.random.Generator) -> tuple[Array, Array]:
        live_a, live_b = self.width_a - self.dead_a, self.width_b - self.dead_b
        c = min(live_a, live_b)
        rho = self.level * np.arange(1, c + 1) ** -self.decay
        variates_a = np.eye(live_a + live_b)[:, :live_a]
        variates_b = np.eye(live_a + live_b)[:, live_a:]
        variates_b[:, :c] *= np.sqrt(1 - rho**2)
        variates_b[np.arange(c), np.arange(c)] = rho
        maps = []
        for variates, width in ((variates_a, self.width_a), (variates_b, self.width_b)):
            live = variates.shape[1]
            size = np.arange(1, live + 1) ** (-self.spectrum / 2)
            mixed = variates @ (_rotation(live, rng) * size) @ _rotation(live, rng).T
            maps.append(np.pad(mixed, ((0, 0), (0, width - live))))
        return maps[0], maps[1]

    def draw(self, n_images: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return the activations of both layers over fresh images, (n, d) or (n, p, p, d)."""
        to_a, to_b = self._maps
        if self.pixels:
            shape = (n_images, self.pixels, self.pixels, len(to_a))
            inputs = np.sqrt(1 - self.alike) * rng.standard_normal(shape)
            inputs += np.sqrt(self.alike) * rng.standard_normal((n_images, 1, 1, len(to_a)))
        else:
            inputs = rng.standard_normal((-(-n_images // self.copies), len(to_a)))
        scale = self._scales(len(inputs), rng)
        if self.copies > 1:
            shown = rng.permutation(n_images) // self.copies
            inputs, scale = inputs[shown], scale[shown]
            inputs = inputs + self.jitter * rng.standard_normal(inputs.shape)
        a, b = inputs @ to_a, inputs @ to_b
        if self.kind == "relu":
            a, b = (
                np.maximum(x - self._bar * np.linalg.norm(to, axis=0), 0)
                for x, to in ((a, to_a), (b, to_b))
            )
        if self.pixels:
            return a + self._outermost * self._shifts[0], b + self._outermost * self._shifts[1]
        return a * scale, b * scale

    @property
    def _outermost(self) -> Array:
        """Return 1 at the outermost positions, 0 elsewhere, (pixels, pixels, 1)."""
        inside = np.zeros((self.pixels, self.pixels, 1))
        inside[1:-1, 1:-1] = 1
        return 1 - inside

    @cached_property
    def _shifts(self) -> tuple[Array, Array]:
        """Return by how much each channel is shifted at the outermost positions."""
        rng = np.random.default_rng((self.seed, self.width_a, self.width_b, 1))
        own = (np.sqrt(np.diag(c)) for c in self._covariances_of_images[:2])
        first, second = (self.border * d * rng.normal(size=d.shape) for d in own)
        return first, second

    def _scales(self, n: int, rng: np.random.Generator) -> Array:
        """Return how strong each image is, (n, 1); draws nothing where all are alike."""
        scales = np.ones((n, 1))
        if self.outliers:
            scales *= np.where(rng.random((n, 1)) < self.outliers, self.strength, 1.0)
        if self.freedom < math.inf:
            scales /= np.sqrt(rng.chisquare(self.freedom, (n, 1)) / self.freedom)
        return scales

    @property
    def _bar(self) -> float:
        """Return how many deviations a ReLU's input must reach."""
        return float(stats.norm.isf(self.active))

    @property
    def _scale(self) -> tuple[float, float]:
        """Return the mean of an image's scale, and of its square."""
        strong, nu = self.outliers, self.freedom
        first, second = 1 + strong * (self.strength - 1), 1 + strong * (self.strength**2 - 1)
        if nu < math.inf:
            first *= math.sqrt(nu / 2) * math.exp(
                special.gammaln((nu - 1) / 2) - special.gammaln(nu / 2)
            )
            second *= nu / (nu - 2)
        return first, second

    @cached_property
    def covariances(self) -> tuple[Array, Array, Array]:
        """Return the covariances of a with a, b with b and a with b over images and positions."""
        found = self._covariances_of_images
        if not self.border:
            return found
        share = float(self._outermost.mean())
        a, b = self._shifts
        aa, bb, ab = (share * (1 - share) * np.outer(x, y) for x, y in ((a, a), (b, b), (a, b)))
        return found[0] + aa, found[1] + bb, found[2] + ab

    @cached_property
    def _covariances_of_images(self) -> tuple[Array, Array, Array]:
        """Return the covariances at one position: exact.

        Of ReLUs by the arc-cosine kernel of order 1 (Cho and Saul 2009, equation 6); of those that
        are active more rarely by quadrature.
        """
        to_a, to_b = self._maps
        covariance = self._of_relus if self.kind == "relu" else self._of_linear
        return covariance(to_a, to_a), covariance(to_b, to_b), covariance(to_a, to_b)

    def _of_linear(self, left: Array, right: Array) -> Array:
        return self._scale[1] * left.T @ right

    def _of_relus(self, left: Array, right: Array) -> Array:
        """Return the covariances of ReLUs of z left and z right, z Gaussian but for its scale."""
        sizes = np.outer(np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=0))
        cosine = np.divide(left.T @ right, sizes, out=np.zeros(sizes.shape), where=sizes > 0)
        first, second = self._scale
        bar = self._bar
        mean = stats.norm.pdf(bar) - bar * stats.norm.sf(bar)
        products = _products_of_relus(np.clip(cosine, -1, 1), bar)
        return np.asarray(sizes * (second * products - (first * mean) ** 2))

    @cached_property
    def pair(self) -> Pair:
        """Return the pair of layers over endless images."""
        own_a, own_b, cross = (CentredSums(c * _ENDLESS, _ENDLESS, 0.0) for c in self.covariances)
        a, b = (Side(c, np.zeros(len(c.products)), 1e-9) for c in (own_a, own_b))
        return Pair(a, b, cross)

    def truth(self, measure: str, kept: tuple[int, int]) -> float:
        """Return a measure's value over endless images; of SVCCA with so many directions kept."""
        key = (measure, *kept) if measure == "svcca" else (measure, 0, 0)
        if key not in self._truths:
            if measure == "svcca":
                self._truths[key] = float(self._kept_correlations(*kept).mean())
            else:
                self._truths[key] = find_measure(measure)(self.pair)
        return self._truths[key]

    @cached_property
    def _truths(self) -> dict[tuple[str, int, int], float]:
        return {}

    def _kept_correlations(self, kept_a: int, kept_b: int) -> Array:
        own_a, own_b, cross = self.covariances
        whitening = []
        for own, kept in ((own_a, kept_a), (own_b, kept_b)):
            values, vectors = np.linalg.eigh(own)
            whitening.append(vectors[:, ::-1][:, :kept] / np.sqrt(values[::-1][:kept]))
        return np.linalg.svd(whitening[0].T @ cross @ whitening[1], compute_uv=False)


def _rotation(d: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def _products_of_relus(cosine: Array, bar: float) -> Array:
    """Return E[max(u - bar, 0) max(v - bar, 0)] of standard Gaussians u, v of these correlations.

    Away from bar = 0 by Gauss-Legendre quadrature over u; given u, v is Gaussian.
    """
    if bar == 0:
        angle = np.arccos(cosine)
        return np.asarray((np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi))
    nodes, weights = np.polynomial.legendre.leggauss(400)
    u, weights = bar + 4.5 * (nodes + 1), 4.5 * weights
    rest = np.sqrt(np.maximum(1 - cosine**2, 1e-14))[..., None]
    reach = cosine[..., None] * u - bar
    above = rest * stats.norm.pdf(reach / rest) + reach * stats.norm.cdf(reach / rest)
    return np.asarray((above * (stats.norm.pdf(u) * (u - bar) * weights)).sum(axis=-1))
