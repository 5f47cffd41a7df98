"""Kendall's tau-b by SciPy, for stats_test.go. Wrote tau.json with Python 3.11, SciPy 1.17.1, NumPy 2.4.6."""
import json
import numpy as np
from scipy.stats import kendalltau

rng = np.random.default_rng(5)
cases = [
    # Kendall's own example and others worked by hand are in the test.
    ([1, 2, 3], [1, 3, 2]),
    ([1, 1, 2, 3], [1, 2, 2, 3]),
    ([1, 1, 1], [1, 2, 3]),
    ([0.5, 0.5, 0.25, 1], [4, 4, 4, 5]),
]
for n in (5, 12, 20, 37):
    x = rng.normal(size=n)
    cases.append((x.tolist(), (x + rng.normal(size=n)).tolist()))
    cases.append((np.round(x, 1).tolist(), np.round(x + rng.normal(size=n), 0).tolist()))
out = []
for x, y in cases:
    tau = kendalltau(x, y, variant="b").statistic
    out.append({"x": x, "y": y, "tau": None if np.isnan(tau) else float(tau)})
with open("tau.json", "w") as f:
    json.dump(out, f, separators=(",", ":"))
