"""JPEGs of ImageNet's mean size and bytes, 500x375 and some 110 kB, as a folder of classes: what `bench loader` is timed on where
ImageNet itself is not at hand. Pictures are noise of many scales, whose spectrum falls as that of photographs does.

    python bench/like_imagenet.py DIR --images 256
"""
import argparse
import io
import os

import numpy
from PIL import Image

WIDTH, HEIGHT, BYTES = 500, 375, 110_000


def picture(random):
    """Noise whose amplitude falls with the frequency, float [HEIGHT,WIDTH,3]; the channels differ by a quarter."""
    y, x = numpy.fft.fftfreq(HEIGHT)[:, None], numpy.fft.fftfreq(WIDTH)[None, :]
    fall = 1 / numpy.maximum(numpy.hypot(y, x), 1 / WIDTH)
    waves = [numpy.fft.ifft2(numpy.fft.fft2(random.standard_normal((HEIGHT, WIDTH))) * fall).real for _ in range(4)]
    waves = [w / w.std() for w in waves]
    return numpy.clip(128 + 50 * numpy.stack([waves[0] + w / 4 for w in waves[1:]], -1), 0, 255).astype(numpy.uint8)


def jpeg(pixels):
    """The picture at the quality at which its file is nearest to BYTES."""
    files = []
    for quality in range(50, 100):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        files.append(file.getvalue())
    return min(files, key=lambda f: abs(len(f) - BYTES))


parser = argparse.ArgumentParser()
parser.add_argument("dir")
parser.add_argument("--images", type=int, default=256)
o = parser.parse_args()
random = numpy.random.default_rng(0)
total = 0
for i in range(o.images):
    folder = os.path.join(o.dir, "train" if i % 4 else "val", f"class{i % 8 // 4}")
    os.makedirs(folder, exist_ok=True)
    data = jpeg(picture(random))
    total += len(data)
    with open(os.path.join(folder, f"{i}.JPEG"), "wb") as f:
        f.write(data)
print(f"{o.images} images of {total / o.images:.0f} bytes on average in {o.dir}")
