"""Golden values of image transforms, from torchvision on Pillow images: writes transforms.json beside this script.

Run with: python gen_transforms.py   (the versions that made the committed file stand in it)
"""
import base64, json, os
import numpy as np, PIL, torch, torchvision
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

H, W = 29, 37
rng = np.random.default_rng(7)
y, x = np.mgrid[0:H, 0:W]
smooth = np.stack([128 + 90 * np.sin(x / 5 + y / 9), 3.4 * x + 4 * y, 255 - 6.5 * x], 2)
pixels = np.clip(smooth + rng.normal(0, 30, smooth.shape), 0, 255).astype(np.uint8)
image = Image.fromarray(pixels)


def pack(img):
    a = np.asarray(img)
    return {"h": a.shape[0], "w": a.shape[1], "pixels": base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()}


out = {"versions": {"torch": torch.__version__, "torchvision": torchvision.__version__, "pillow": PIL.__version__, "numpy": np.__version__}, "image": pack(image)}

# RandomResizedCrop's second half, of boxes (top, left, h, w).
out["crops"] = [dict(box=b, **pack(F.resized_crop(image, *b, [size, size], interpolation=v2.InterpolationMode.BILINEAR, antialias=True)))
                for b, size in [((0, 0, H, W), 16), ((3, 5, 20, 18), 24), ((7, 2, 5, 31), 12), ((10, 11, 1, 1), 4), ((0, 0, 28, 28), 28), ((2, 3, 23, 9), 40)]]

# The usual evaluation: Resize(round(size / 0.875)), CenterCrop(size).
out["centres"] = [dict(size=size, **pack(v2.CenterCrop(size)(v2.Resize(round(size / 0.875), antialias=True)(im))), source=k)
                  for size in (14, 21, 40) for k, im in enumerate((image, image.rotate(90, expand=True)))]
out["rotated"] = pack(image.rotate(90, expand=True))

out["colours"] = [dict(kind=kind, factor=f, **pack(getattr(F, "adjust_" + kind)(image, f)))
                  for kind, fs in (("brightness", (0.6, 1.37)), ("contrast", (0.63, 1.4)), ("saturation", (0.0, 0.71, 1.39)), ("hue", (-0.21, 0.1, 0.47))) for f in fs]

# Statistics of 20,000 boxes that RandomResizedCrop draws: share of the area, log of the aspect ratio, centre.
torch.manual_seed(1)
out["boxes"] = []
for h, w in ((375, 500), (64, 64), (100, 400)):
    im = Image.new("RGB", (w, h))
    crop = v2.RandomResizedCrop(224)
    b = np.array([[p["top"], p["left"], p["height"], p["width"]] for p in (crop.make_params([im]) for _ in range(20000))], float)
    values = {"area": b[:, 2] * b[:, 3] / (h * w), "logratio": np.log(b[:, 3] / b[:, 2]), "top": b[:, 0] / h, "left": b[:, 1] / w}
    out["boxes"].append({"h": h, "w": w, "mean": {k: v.mean() for k, v in values.items()}, "std": {k: v.std() for k, v in values.items()}})

# Pillow's bicubic has MATLAB's kernel, but ends at the border where MATLAB mirrors: the interior must agree, of one
# dimension at a time, since the two round in between in different orders.
out["bicubic"] = [pack(image.resize((w, h), Image.Resampling.BICUBIC)) for h, w in ((10, W), (58, W), (H, 12), (H, 74))]

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "transforms.json"), "w") as f:
    json.dump(out, f, indent=1)
