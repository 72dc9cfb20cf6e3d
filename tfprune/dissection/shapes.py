"""Images of textured shapes, made up here, of which every pixel's concepts are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tfprune.dissection.computed import COLOURS, GREYS, computed_concepts
from tfprune.dissection.concepts import Concept, ConceptSet, joined

Pattern = NDArray[np.float64]
_Draw = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]

#: shape -> whether a point, in units of the shape's radius, lies within it
SHAPES: dict[str, _Draw] = {
    "disc": lambda x, y: x**2 + y**2 < 1,
    "ring": lambda x, y: (x**2 + y**2 < 1) & (x**2 + y**2 > 0.3),
    "square": lambda x, y: np.maximum(abs(x), abs(y)) < 0.85,
    "triangle": lambda x, y: (y > -0.75) & (abs(x) < 0.55 * (1 - y)),
    "cross": lambda x, y: (np.minimum(abs(x), abs(y)) < 0.3) & (np.maximum(abs(x), abs(y)) < 1),
    "bar": lambda x, y: (abs(x) < 1.1) & (abs(y) < 0.3),
}

#: texture -> brightness in [0, 1] at a point, in units of the texture's period
TEXTURES: dict[str, Callable[[Pattern, Pattern, np.random.Generator], Pattern]] = {
    "plain": lambda x, y, rng: np.ones_like(x),
    "striped": lambda x, y, rng: (np.floor(2 * y) % 2).astype(float),
    "chequered": lambda x, y, rng: (np.floor(2 * x) + np.floor(2 * y)) % 2,
    "dotted": lambda x, y, rng: ((x % 1 - 0.5) ** 2 + (y % 1 - 0.5) ** 2 < 0.09).astype(float),
    "noisy": lambda x, y, rng: rng.random(x.shape),
    "shaded": lambda x, y, rng: 0.5 + 0.5 * np.sin(2 * np.pi * (x + y) / 3),
}

_DARKEST = 0.25  # of a texture's dark parts, as a share of its colour
_GREY = np.array([0.299, 0.587, 0.114])  # what red, green and blue weigh in brightness


def textured_shapes(
    n_images: int,
    input_shape: tuple[int, int, int],
    *,
    largest: float = 255.0,
    seed: int = 0,
) -> ConceptSet:
    """Return images of two to four coloured, textured shapes on a grey ground, with their concepts.

    n_images: how many. input_shape: (height, width, channels), of 1 or 3 channels. largest: the
        value of full intensity. Image i is a function of (seed, i, input_shape) alone.

    Categories are shape and texture, which are known from how the images were made (each seen where
    it is not hidden by a later shape), and colour, edge and place, computed on the finished images.
    The ground, a ramp of greys, has neither shape nor texture: a unit that is active at 0.5% of all
    positions can't overlap by 0.04 with a concept that is seen in more than an eighth of them.

    >>> made = textured_shapes(4, (16, 16, 3))
    >>> made.images.shape, len(made.concepts)
    ((4, 16, 16, 3), 32)
    """
    images, masks = drawn_shapes(n_images, input_shape, seed=seed)
    known = ConceptSet(
        (images * largest).astype(np.float32),
        (*(Concept(name, "shape") for name in SHAPES),
         *(Concept(name, "texture") for name in TEXTURES)),
        masks,
    )  # fmt: skip
    return joined([known, computed_concepts(known.images, largest=largest)])


def drawn_shapes(
    n_images: int,
    input_shape: tuple[int, int, int],
    *,
    n_shapes: tuple[int, int] = (2, 4),
    seed: int = 0,
) -> tuple[Pattern, NDArray[np.bool_]]:
    """Return images of shapes, and where each of SHAPES and of TEXTURES is seen in them.

    n_shapes: how many an image has, at least and at most. The images (n_images, *input_shape) lie
    in [0, 1], the masks are (n_images, n_shapes + n_textures, height, width).
    """
    height, width, channels = input_shape
    images = np.empty((n_images, height, width, 3))
    names = [*SHAPES, *TEXTURES]
    masks = np.zeros((n_images, len(names), height, width), dtype=bool)
    for index in range(n_images):
        rng = np.random.default_rng((seed, index))
        images[index], drawn = _image(height, width, n_shapes, rng)
        for name, where in drawn:
            masks[index, names.index(name)] |= where
    return images @ _GREY[:, None] if channels == 1 else images, masks


def _image(
    height: int, width: int, n_shapes: tuple[int, int], rng: np.random.Generator
) -> tuple[Pattern, list[tuple[str, NDArray[np.bool_]]]]:
    """Return an image in [0, 1], (height, width, 3), and where which concept is seen."""
    y, x = np.mgrid[:height, :width] + 0.5
    shapes = np.full((height, width), "", dtype=object)
    textures = np.full((height, width), "", dtype=object)
    image = np.empty((height, width, 3))

    def paint(where: NDArray[np.bool_], shape: str) -> None:
        texture = str(rng.choice(list(TEXTURES)))
        image[where] = _painted(texture, x, y, min(height, width), rng)[where]
        textures[where], shapes[where] = texture, shape

    slope = rng.normal(size=2) * 0.3
    ramp = rng.uniform(0.2, 0.8) + slope[0] * (x / width - 0.5) + slope[1] * (y / height - 0.5)
    image[:] = np.clip(ramp, 0, 1)[..., None]
    for _ in range(int(rng.integers(n_shapes[0], n_shapes[1] + 1))):
        name = str(rng.choice(list(SHAPES)))
        radius = min(height, width) * rng.uniform(0.18, 0.4)
        turn = rng.uniform(0, 2 * np.pi)
        u = (x - width * rng.uniform(0.15, 0.85)) / radius
        v = (y - height * rng.uniform(0.15, 0.85)) / radius
        u, v = np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u
        paint(SHAPES[name](u, v), name)
    drawn = [(name, shapes == name) for name in SHAPES]
    return image, drawn + [(name, textures == name) for name in TEXTURES]


def _painted(texture: str, x: Pattern, y: Pattern, size: int, rng: np.random.Generator) -> Pattern:
    """Return a plane of a random colour in a texture of random period and direction."""
    names = [name for name in COLOURS if name not in GREYS]
    colour = np.array(COLOURS[str(rng.choice(names))]) / 255
    period = max(2.0, size * rng.uniform(0.1, 0.25))
    turn = rng.uniform(0, np.pi)
    u = (np.cos(turn) * x + np.sin(turn) * y) / period
    v = (np.cos(turn) * y - np.sin(turn) * x) / period
    light = _DARKEST + (1 - _DARKEST) * TEXTURES[texture](u, v, rng)
    return light[..., None] * colour
