#!/usr/bin/env python3
"""Makes the .npy samples of this folder; needs numpy only.

    make_samples.py ZOO               the committed samples
    make_samples.py ZOO --restricted  also the first 16 MNIST test images (ignored by git)
    make_samples.py ZOO --check       writes nothing; fails if a committed sample differs

ZOO is the folder that holds data/ and golden/. Samples are stacked on the first axis, in the type, range and
layout that the model's input has; labels are int64.
"""
import io
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent

# Strokes of the digits in a unit square, y downwards: polylines of (x, y).
STROKES = {
    0: [[(.5, 0), (.85, .2), (.85, .8), (.5, 1), (.15, .8), (.15, .2), (.5, 0)]],
    1: [[(.3, .2), (.55, 0), (.55, 1)]],
    2: [[(.15, .25), (.35, .02), (.7, .02), (.85, .25), (.75, .5), (.15, 1), (.88, 1)]],
    3: [[(.15, .08), (.6, 0), (.83, .22), (.6, .47), (.4, .47)], [(.6, .47), (.88, .75), (.6, 1), (.15, .92)]],
    4: [[(.3, 0), (.12, .55), (.88, .55)], [(.72, .1), (.68, 1)]],
    5: [[(.82, 0), (.25, 0), (.2, .42), (.6, .4), (.85, .65), (.65, .97), (.15, .95)]],
    6: [[(.7, 0), (.3, .3), (.17, .7), (.4, 1), (.75, .92), (.8, .65), (.5, .52), (.2, .7)]],
    7: [[(.12, .03), (.86, .03), (.4, 1)]],
    8: [[(.5, .46), (.2, .22), (.5, 0), (.8, .22), (.5, .46), (.15, .75), (.5, 1), (.85, .75), (.5, .46)]],
    9: [[(.8, .3), (.5, .5), (.2, .3), (.45, 0), (.8, .08), (.8, .3), (.68, 1)]],
}


def drawn_digit(digit, slant, width):
    """28x28 uint8 image: strokes of `width` pixels in a 20-pixel box, x sheared by `slant`."""
    y, x = np.mgrid[0:28, 0:28].astype(np.float64)
    away = np.full((28, 28), np.inf)
    for line in STROKES[digit]:
        points = [(7 + 14 * px + slant * (.5 - py), 4 + 20 * py) for px, py in line]
        for (ax, ay), (bx, by) in zip(points, points[1:]):
            t = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)
            t = np.clip(t, 0, 1)
            away = np.minimum(away, np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
    return np.rint(255 * np.clip(width / 2 + .5 - away, 0, 1)).astype(np.uint8)


def samples(zoo):
    """Committed samples by file name."""
    digits = [i % 10 for i in range(16)]
    images = [drawn_digit(d, slant=3 * (i // 10), width=2.5 + .5 * (i // 10)) for i, d in enumerate(digits)]
    photos = np.load(zoo / "data/vww_smoke14_96.npz")["x"].astype(np.uint32)
    small = photos.reshape(14, 32, 3, 32, 3, 3).sum(axis=(2, 4))  # 3x3 pixels become one
    small = (small + 4) // 9
    small = np.concatenate([small, small[:2, :, ::-1]])  # two mirrored ones make 16
    speech = np.load(zoo / "golden/tflm_micro_speech_int8_qdq.npz")["x"]
    cifar = np.load(zoo / "data/cifar10_test1000.npz")
    return {
        "digits_drawn16.npy": np.stack(images)[:, None].astype(np.float32),
        "digits_drawn16_labels.npy": np.array(digits, np.int64),
        "photos32_16.npy": np.ascontiguousarray(small.transpose(0, 3, 1, 2)).astype(np.float32),
        "micro_speech_features3.npy": speech.reshape(3, 1960).astype(np.float32),
        "cifar10_test16.npy": np.ascontiguousarray(cifar["x"][:16].transpose(0, 3, 1, 2)).astype(np.float32),
        "cifar10_test16_labels.npy": cifar["y"][:16].astype(np.int64),
    }


def restricted(zoo):
    """Samples that may not be committed."""
    mnist = np.load(zoo / "data/mnist_t10k.npz")
    return {
        "mnist_test16.npy": mnist["x"][:16, None].astype(np.float32),
        "mnist_test16_labels.npy": mnist["y"][:16].astype(np.int64),
    }


def main():
    args = sys.argv[1:]
    flags = {a for a in args if a.startswith("--")}
    folders = [a for a in args if not a.startswith("--")]
    if len(folders) != 1 or flags - {"--restricted", "--check"}:
        sys.exit(__doc__)
    zoo = pathlib.Path(folders[0])
    made = samples(zoo)
    if "--restricted" in flags:
        made |= restricted(zoo)
    differ = []
    for name, array in made.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        path = HERE / name
        if "--check" not in flags:
            path.write_bytes(buffer.getvalue())
        elif not path.exists() or path.read_bytes() != buffer.getvalue():
            differ.append(name)
    if differ:
        sys.exit("differs: " + ", ".join(differ))


if __name__ == "__main__":
    main()
