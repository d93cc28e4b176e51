"""Colours of the page: text can be read on what it stands on, in both themes."""

import re

import pytest

from paretune_dashboard.report import STATIC

# https://www.w3.org/TR/WCAG22/#contrast-minimum: text smaller than 24 px.
LEAST = 4.5
TEXTS = dict.fromkeys(("ink", "muted", "faint"), ("bg", "surface", "sunken")) | {
    "front-ink": ("front-soft",), "good": ("good-soft",), "warn": ("warn-soft",), "bad": ("bad-soft",)
}  # fmt: skip


def themes():
    sheet = (STATIC / "style.css").read_text()
    for selector, body in re.findall(r"(:root[^{]*)\{([^}]*)\}", sheet):
        yield pytest.param(dict(re.findall(r"--([\w-]+): (#\w{6})", body)), id=selector.strip())


def luminance(color: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    shares = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", list(themes()))
def test_text_stands_out(theme):
    for text, grounds in TEXTS.items():
        for ground in grounds:
            dark, light = sorted(luminance(theme[name]) for name in (text, ground))
            assert (light + 0.05) / (dark + 0.05) >= LEAST, (text, ground)
