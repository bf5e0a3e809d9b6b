"""The better PSNR loses the fainter quasar, and the checks say so (``docs/second-quasar.md``)."""

import numpy as np

from benchmarks.second_quasar import run_chain, scenes
from lensproc import Pipeline


def test_a_denoiser_with_the_better_psnr_loses_the_fainter_quasar_and_is_told():
    pairs = scenes(10.0, 4)
    with Pipeline("bicubic") as plain, Pipeline("nlm,bicubic", settings={"nlm.strength": 1.5}) as denoiser:
        before, after = run_chain(plain, pairs), run_chain(denoiser, pairs)
    assert np.mean([one.psnr for one in after]) > np.mean([one.psnr for one in before]) + 5.0
    assert abs(np.mean([one.flux for one in before]) - 1.0) < 0.15
    assert np.median([one.flux for one in after]) < 0.5
    assert not any(one.lost or one.residual or one.status == "FAIL" for one in before)
    assert sum(one.lost or one.residual for one in after) >= 3
